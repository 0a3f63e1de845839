"""Reads a folder of DICOM files as a hospital's archive exports them, by their headers alone.

No name and no birth date leaves a header: the name is only compared with the path of its file. Of
the PatientID a keyed hash is kept, whose key stays with the site.
"""

import functools
import itertools
import os
import pathlib
import re
from collections.abc import Iterator, Mapping

import pandas as pd

from tfcovid.data.dicom_header import is_dicom, require_pydicom
from tfcovid.data.dicom_modalities import X_RAY
from tfcovid.data.sources import csv_table
from tfcovid.data.sources.dicom_patients import site_key
from tfcovid.data.sources.dicom_tags import Header, read_header
from tfcovid.data.sources.finding_names import class_findings, finding_of
from tfcovid.data.sources.image_tree import (
    HIDDEN_PREFIXES,
    checked_root,
    files_below,
    is_image,
    joined,
    not_images,
    unique_ids,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import (
    TEXT,
    Category,
    Reading,
    aside,
    listing,
    no_rejected,
    read_table,
)

LABELS_NAME = "labels.csv"
LOOKED_AT = 200
PREAMBLE_BYTES = 132
NO_DICOM = "no DICOM file"
NO_MARK = "not a DICOM file: the mark DICM is missing"


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds DICOM files and no other images, by 200 files at the most.

    A table that the reader of CSV files knows goes before, unless it is our `labels.csv`.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        return False
    if csv_table.recognise(root) and not (root / LABELS_NAME).is_file():
        return False
    found = False
    for path in itertools.islice(_visible_files(root), LOOKED_AT):
        if path.suffix.lower() == ".dcm" or (
            # A file that is named by its UID seems to end in a number.
            not re.search(r"\.[A-Za-z]\w*$", path.name) and _has_mark(path)
        ):
            found = True
        elif is_image(path.name):
            return False
    return found


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the X-rays among the DICOM files below a folder.

    Args:
      root: the folder. `labels.csv` in it (columns path, relative to it, and finding) says the
        findings; where it does not, the folder directly below the root does, by its name.
      options: `label_names`, `patients` and `patient_key` are read. Without a key file the one in
        the user's configuration folder is used, and made where there is none.

    Returns:
      The reading. The source is the name of the root folder; patient ids are "dicom:" and a keyed
      hash, the same in every folder that is read with the key. A finding is missing where neither
      the table nor the folder says one. Other files and modalities are rejected.

    Raises:
      ValueError: if the folder is not there; if pydicom is not installed; if no X-ray is found; if
        the table cannot be read, names a file twice or none that is there, or has a label that
        says no finding; if the key cannot be read or made.
    """
    root = checked_root(root)
    require_pydicom()
    files = files_below(root, root)
    marked = {path: why is None and _has_mark(root / path) for path, why in files.items()}
    paths = [path for path, is_marked in marked.items() if is_marked]
    headers = _read_headers(root, paths, options)
    reasons = pd.Series([header.reason for header in headers], dtype=TEXT)
    if not reasons.isna().any():
        counts = [f"{count} {why}" for why, count in reasons.value_counts().items()]
        raise ValueError(
            f"{root}: expected DICOM files of X-rays ({', '.join(X_RAY)}). Received: "
            f"{listing(counts) or 'none'}."
        )
    labels, missing = _read_labels(root, paths, options)
    rows = _rows(paths, headers, labels, options)
    kept, patient_notes = fill_patients(
        rows[reasons.isna()], options.patients, source=root.resolve().name
    )
    others = {path: why for path, why in files.items() if not marked[path] and path != LABELS_NAME}
    return Reading(
        rows=kept,
        rejected=joined([*_set_aside(rows, headers, reasons), *_no_dicom(others), missing]),
        notes=(*patient_notes, *_notes(kept, headers, missing)),
        root=root,
    )


def _visible_files(root: pathlib.Path) -> Iterator[pathlib.Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN_PREFIXES))
        for name in sorted(names):
            if not name.startswith(HIDDEN_PREFIXES):
                yield pathlib.Path(folder, name)


def _has_mark(path: pathlib.Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(PREAMBLE_BYTES))
    except OSError:
        return False


def _read_headers(root: pathlib.Path, paths: list[str], options: SourceOptions) -> list[Header]:
    @functools.cache
    def key() -> bytes:
        # Read, and made, only where there is a patient to hide.
        return site_key(options.patient_key)

    return [read_header(root, path, key) for path in paths]


def _read_labels(
    root: pathlib.Path, paths: list[str], options: SourceOptions
) -> tuple[dict[str, str], pd.DataFrame]:
    """Returns the finding of each path that the table lists, and the listed files not there."""
    file = root / LABELS_NAME
    if not file.is_file():
        return {}, no_rejected()
    table = read_table(file, required=("path", "finding"))
    if table["path"].isna().any():
        raise ValueError(f"{file}: expected a path in row {table['path'].isna().argmax() + 1}.")
    listed = table["path"].map(lambda cell: str(pathlib.PurePosixPath(cell))).astype(TEXT)
    if listed.duplicated().any():
        row = int(listed.duplicated().argmax())
        raise ValueError(
            f"{file}: row {row + 1} lists a file a second time; remove one of the two."
        )
    there = listed.isin(paths)
    if not there.any():
        raise ValueError(
            f"{file}: expected paths of DICOM files relative to {root}, none of the {len(listed)} "
            "is one."
        )
    known = table["finding"].dropna()
    findings = class_findings(list(known.unique()), options, f"{file}: column finding")
    missing = pd.DataFrame({"image": listed[~there], "path": listed[~there]}, dtype=TEXT)
    means = table["finding"].map(findings)
    labels = {
        path: finding for path, finding in zip(listed, means, strict=True) if pd.notna(finding)
    }
    return labels, aside(missing, Category.MISSING, "missing file")


def _rows(
    paths: list[str], headers: list[Header], labels: dict[str, str], options: SourceOptions
) -> pd.DataFrame:
    rows = pd.DataFrame({"path": paths}, dtype=TEXT)
    rows["image"] = unique_ids(rows["path"])
    rows["finding"] = pd.Series(
        [labels.get(path) or _folder_finding(path, options) for path in paths], dtype=TEXT
    )
    rows["patient_id"] = pd.Series([header.patient for header in headers], dtype=TEXT)
    rows["view"] = pd.Series([header.view for header in headers], dtype=TEXT)
    rows["sex"] = pd.Series([header.sex for header in headers], dtype=TEXT)
    rows["age"] = pd.Series([header.age for header in headers], dtype="float64")
    return rows


def _folder_finding(path: str, options: SourceOptions) -> str | None:
    """Returns what the folder directly below the root says; many are no findings but patients."""
    folder, slash, _ = path.partition("/")
    finding = finding_of(folder, options.label_names) if slash else None
    return None if finding is None else str(finding)


def _set_aside(rows: pd.DataFrame, headers: list[Header], reasons: pd.Series) -> list[pd.DataFrame]:
    categories = pd.Series([str(header.category) for header in headers]).where(reasons.notna())
    return [
        aside(rows[categories == category], Category(category), reasons[categories == category])
        for category in categories.dropna().unique()
    ]


def _no_dicom(others: Mapping[str, str | None]) -> list[pd.DataFrame]:
    """Returns the files without DICOM's mark as rejected: those that are DICOM by name are bad."""
    bad = [path for path, why in others.items() if why is None and path.lower().endswith(".dcm")]
    named = set(bad)
    files = pd.DataFrame({"image": bad, "path": bad}, dtype=TEXT)
    rest = {path: why or NO_DICOM for path, why in others.items() if path not in named}
    return [aside(files, Category.BAD_FILE, NO_MARK), not_images(rest)]


def _notes(kept: pd.DataFrame, headers: list[Header], missing: pd.DataFrame) -> list[str]:
    """Returns what a user should know; counts only, for file names may be names of patients."""
    source, total = kept["source"].iloc[0], len(kept)
    counts = {
        "listed images are missing.": len(missing),
        f"of {total} images have no finding: neither {LABELS_NAME} nor their folder says one.": int(
            kept["finding"].isna().sum()
        ),
        "images have text burned in (BurnedInAnnotation YES), which may hold names: look at them "
        "before they leave the site.": sum(header.burned_in for header in headers),
        "images are a detector's raw data (FOR PROCESSING), not meant to be looked at; they look "
        "unlike the others.": sum(header.raw for header in headers),
        "paths of files show a part of the patient's name or number, or a ^ as in names. Paths are "
        "written to manifest.csv: rename these files.": sum(header.named for header in headers),
    }
    notes = [f"{source}: {count} {text}" for text, count in counts.items() if count]
    if total > 1 and kept["patient_id"].eq(kept["patient_id"].iloc[0]).all():
        notes.append(
            f"{source}: all {total} images bear the same PatientID. If an export put it there for "
            "every patient, no split by patient can be made from it."
        )
    return notes
