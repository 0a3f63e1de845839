"""Reads images that any CSV lists, under the names of columns and labels that its user declares."""

import csv
import os
import pathlib
import re
from collections.abc import Mapping

import pandas as pd

from tfcovid.data.sources.finding_names import class_findings
from tfcovid.data.sources.folders import SPLITS
from tfcovid.data.sources.image_tree import (
    LINK_OUT,
    checked_root,
    is_file,
    is_image,
    is_link,
    joined,
    not_images,
    refuse_dicom,
    unique_ids,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.pathologies import NO_FINDING, checked_pathologies, findings_of
from tfcovid.data.sources.patients import (
    fill_patients,
    in_several_sources,
    listed_once,
    merged_patients,
    with_source,
    years_of,
)
from tfcovid.data.sources.reading import (
    TEXT,
    Category,
    Finding,
    Reading,
    as_utf8,
    aside,
    header_of,
    listing,
    read_table,
)

OUR_COLUMNS = (
    "image",
    "path",
    "finding",
    "pathologies",
    "patient_id",
    "source",
    "view",
    "sex",
    "age",
    "split",
)
PLACES, LABELS = ("path", "image"), ("finding", "pathologies")


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds one CSV only, with a label and an image in our names."""
    tables = sorted(pathlib.Path(root).glob("*.csv"))
    if len(tables) != 1:
        return False
    try:
        with tables[0].open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return all(any(name in header for name in names) for names in (LABELS, PLACES))


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the images that a table lists and that are there.

    Args:
      root: the folder that the table's paths are relative to.
      options: `table` is the CSV, None takes the only one in `root`; `columns` gives its name of
        each of our columns OUR_COLUMNS, the same where it gives none; `label_names` and `patients`
        are read too. A finding (or pathologies, ChestX-ray14's labels joined by "|") and a path
        (or an image, then the path) are required.

    Returns:
      The reading. The source is the name of the root folder where neither the table nor the
      patients table names one; patient ids start with it. A finding is that of the pathologies
      where its own cell is empty, and missing where both are. Files beside
      the listed ones that are images by their name are rejected.

    Raises:
      ValueError: if the folder, the table, a column or every image is missing; if `columns` names a
        column that is none of ours; if a path leads out of the folder; if an image id stands at two
        paths; if a label says no finding, or Normal beside pathologies; if a split or an age is
        none.
    """
    root = checked_root(root)
    path = _table_path(root, options.table)
    table = _our_columns(path, options.columns)
    paths = _paths(table, path)
    findings = class_findings(
        list(table["finding"].dropna().unique()), options, f"{path}: column finding"
    )
    pathologies = checked_pathologies(table["pathologies"], "pathologies", path)
    source = root.resolve().name
    patients = with_source(table["patient_id"], table["source"].fillna(source))
    several = in_several_sources(table["patient_id"], table["source"].fillna(source))
    rows = pd.DataFrame(
        {
            "image": _images(table, paths, path),
            "path": paths,
            "finding": _findings(table["finding"].map(findings).astype(TEXT), pathologies, path),
            "pathologies": pathologies,
            "official_split": _official_split(table["split"], path),
            "patient_id": merged_patients(paths, patients),
            "source": table["source"],
            "view": table["view"],
            "sex": table["sex"],
            "age": years_of(table["age"], path),
        }
    )
    out = _leads_out(root, paths)
    missing = ~out & ~pd.Series([is_file(root / file) for file in paths])
    good = ~out & ~missing
    refuse_dicom(paths, root)
    if not good.any():
        raise ValueError(
            f"{root}: expected the images that {path.name} lists, none of the {len(rows)} is "
            f"there; the first is {paths.iloc[0]}."
        )
    kept, twice, twice_notes = listed_once(rows[good], patients[good])
    kept, patient_notes = fill_patients(kept, options.patients, source=source)
    unlisted = dict.fromkeys(_unlisted(root, kept["path"], paths), f"{path.name} does not list it")
    return Reading(
        rows=kept,
        rejected=joined(
            [
                aside(rows[missing], Category.MISSING, "missing file"),
                aside(rows[out], Category.BAD_FILE, LINK_OUT),
                twice,
                not_images(unlisted),
            ]
        ),
        notes=(
            *_file_notes(rows["image"], missing, out, len(unlisted), path.name),
            *twice_notes,
            *several,
            *patient_notes,
        ),
        root=root,
    )


def _table_path(root: pathlib.Path, table: pathlib.Path | None) -> pathlib.Path:
    if table is not None:
        return table
    tables = sorted(root.glob("*.csv"))
    if len(tables) != 1:
        names = listing([path.name for path in tables]) or "none"
        raise ValueError(
            f"{root}: expected one CSV file that lists the images. Received: {names}; name it with "
            "--table=FILE."
        )
    return tables[0]


def _our_columns(path: pathlib.Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Returns the table with all of OUR_COLUMNS, missing cells where it has no such column."""
    strangers = [ours for ours in columns if ours not in OUR_COLUMNS]
    if strangers:
        raise ValueError(
            f"--columns={strangers[0]}:{columns[strangers[0]]}: expected OURS:THEIRS, ours one of "
            f"{', '.join(OUR_COLUMNS)}. Received: {strangers[0]}."
        )
    table = read_table(path, required=list(columns.values()))
    theirs = {ours: columns.get(ours, ours) for ours in OUR_COLUMNS}
    there = {ours: name for ours, name in theirs.items() if name in table}
    labelled = any(label in there for label in LABELS)
    if not labelled or not any(place in there for place in PLACES):
        wanted = "path (or image)" if labelled else "finding"
        raise ValueError(
            f"{path}: expected a column {wanted}. Received: {header_of(table)}; say what "
            f"it is called with --columns={wanted.split()[0]}:NAME."
        )
    return pd.DataFrame(
        {
            ours: table[there[ours]] if ours in there else pd.Series(pd.NA, table.index, TEXT)
            for ours in OUR_COLUMNS
        }
    )


def _findings(findings: pd.Series, pathologies: pd.Series, path: pathlib.Path) -> pd.Series:
    """Returns the findings, those that are missing from the pathologies."""
    # COVID-19 with No Finding is no contradiction: a patient may be ill and his film clear.
    normal = findings.eq(str(Finding.NORMAL)).fillna(False).astype(bool)
    wrong = normal & pathologies.notna() & pathologies.ne(NO_FINDING)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: row {row + 1}: expected {NO_FINDING} or nothing beside {Finding.NORMAL}. "
            f"Received: {pathologies.iloc[row]}."
        )
    return findings.fillna(findings_of(pathologies))


def _paths(table: pd.DataFrame, path: pathlib.Path) -> pd.Series:
    """Returns where the images lie: relative, in posix form, inside of the data set's folder."""
    column = "path" if table["path"].notna().any() else "image"
    cells = table[column].fillna("")
    for row, cell in enumerate(cells, start=1):
        parts = pathlib.PurePosixPath(cell).parts
        if (
            not parts
            or ".." in parts
            or cell.startswith("/")
            or re.search(r"\\|\0|^[A-Za-z]:", cell)
        ):
            raise ValueError(
                f"{path}: column {column}, row {row}: expected a path inside the data set's "
                f"folder, with / between its parts. Received: {cell or '(empty)'}."
            )
    return pd.Series([str(pathlib.PurePosixPath(cell)) for cell in cells], dtype=TEXT)


def _images(table: pd.DataFrame, paths: pd.Series, path: pathlib.Path) -> pd.Series:
    """Returns the id of each image: the table's where it has paths too, else by the path."""
    if table["path"].isna().all() or table["image"].isna().all():
        once = paths.drop_duplicates()
        return paths.map(dict(zip(once, unique_ids(once), strict=True))).astype(TEXT)
    images = table["image"]
    wrong = images.isna() | paths.ne(paths.groupby(images).transform("first"))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: column image, row {row + 1}: expected an id that no other path has. "
            f"Received: {images.fillna('(empty)').iloc[row]}."
        )
    return images


def _official_split(cells: pd.Series, path: pathlib.Path) -> pd.Series:
    names = cells.str.strip().str.lower()
    wrong = names.notna() & ~names.isin(list(SPLITS))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: column split, row {row + 1}: expected one of {', '.join(SPLITS)} or an empty "
            f"cell. Received: {cells.iloc[row]}."
        )
    return names.map(SPLITS).astype(TEXT)


def _leads_out(root: pathlib.Path, paths: pd.Series) -> pd.Series:
    """Returns which paths lead out of the folder over a link, bool [n]."""
    home = root.resolve()
    folders: dict[pathlib.Path, bool] = {}
    out = []
    for file in paths:
        full = root / file
        if full.parent not in folders:
            folders[full.parent] = not full.parent.resolve().is_relative_to(home)
        out.append(
            folders[full.parent] or (is_link(full) and not full.resolve().is_relative_to(home))
        )
    return pd.Series(out, dtype=bool)


def _unlisted(root: pathlib.Path, kept: pd.Series, paths: pd.Series) -> list[str]:
    """Returns the images that lie in the folders of those kept and are not listed themselves."""
    listed = set(paths)
    folders = sorted({(root / file).parent for file in kept})
    files = (
        as_utf8(entry.relative_to(root).as_posix())
        for folder in folders
        for entry in sorted(folder.iterdir())
        if is_image(entry.name) and entry.is_file()
    )
    return [file for file in files if file not in listed]


def _file_notes(
    images: pd.Series, missing: pd.Series, out: pd.Series, num_unlisted: int, table: str
) -> list[str]:
    notes = []
    if missing.any():
        notes.append(
            f"{int(missing.sum())} of {len(images)} listed images are missing: "
            f"{listing(images[missing])}."
        )
    if out.any():
        notes.append(
            f"{int(out.sum())} of {len(images)} listed images are links that lead out of the data "
            f"set's folder, and are left out: {listing(images[out])}."
        )
    if num_unlisted:
        notes.append(f"{num_unlisted} files that {table} does not list are left out.")
    return notes
