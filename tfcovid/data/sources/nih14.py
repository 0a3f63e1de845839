"""Reads NIH ChestX-ray14: one hospital's frontal X-rays, with the official lists of the split.

Its labels were mined from reports by text processing: "No Finding" means none of the 14.

Source: nihcc.app.box.com/v/ChestXray-NIHCC (Wang et al. 2017, arXiv:1705.02315).
"""

import os
import pathlib

import pandas as pd

from tfcovid.data.sources.image_tree import LINK_OUT, checked_root, files_below, joined, not_images
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.pathologies import NO_FINDING, checked_pathologies, findings_of
from tfcovid.data.sources.patients import fill_patients
from tfcovid.data.sources.reading import (
    TEXT,
    Category,
    Reading,
    aside,
    header_of,
    listing,
    read_table,
)

# The corrected table goes first.
TABLE_NAMES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
LISTS = {"TRAIN": "train_val_list.txt", "TEST": "test_list.txt"}
SOURCE = "nih14"
DECLARED = "one hospital, the NIH Clinical Center; labels mined from reports by text processing"

IMAGE, LABELS, PATIENT = "Image Index", "Finding Labels", "Patient ID"
AGE, VIEW, SEXES = "Patient Age", "View Position", ("Patient Gender", "Patient Sex")

OLDEST_YEARS = 120
# The first table writes "058Y", "011M", "013D", the second one years.
PER_YEAR = {"Y": 1.0, "M": 12.0, "D": 365.25}


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds ChestX-ray14, by the name of its table."""
    return any((pathlib.Path(root) / name).is_file() for name in TABLE_NAMES)


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the images that the table lists and that are there.

    Args:
      root: the folder with `Data_Entry_2017_v2020.csv` or `Data_Entry_2017.csv`; images lie in
        `images/` or in `images_001/images/` … `images_012/images/`, all or a part of them.
      options: `patients` fills in what the table does not know.

    Returns:
      The reading. `official_split` is missing for an image in none of the official lists.

    Raises:
      ValueError: if the folder, the table, a column or every image is missing; if an image is
        listed twice, has an unknown label, or "No Finding" beside another one; if an image is in
        both official lists.
    """
    root = checked_root(root)
    path = next((root / name for name in TABLE_NAMES if (root / name).is_file()), None)
    if path is None:
        raise ValueError(f"{root}: expected {' or '.join(TABLE_NAMES)}, there is neither.")
    table = read_table(path, required=(IMAGE, LABELS, PATIENT, AGE, VIEW))
    names = _names(table, path)
    files, others = _files(root)
    official, split_notes = _official_split(names, root)
    rows = pd.DataFrame(
        {
            "image": names,
            "path": names.map(files).fillna("images/" + names),
            "pathologies": checked_pathologies(table[LABELS], LABELS, path),
            "official_split": official,
            "patient_id": f"{SOURCE}:" + table[PATIENT].str.replace(r"^0+(?=\d)", "", regex=True),
            "view": table[VIEW],
            "sex": _sex(table, path),
            "age": _years(table[AGE]),
        }
    )
    rows["finding"] = findings_of(rows["pathologies"])
    found = names.isin(list(files))
    if not found.any():
        raise ValueError(
            f"{root}: expected the images that {path.name} lists in images/ or in "
            f"images_001/images/ and so on, none of the {len(rows)} is there."
        )
    unlisted = sorted(set(files) - set(names))
    others |= dict.fromkeys((files[name] for name in unlisted), f"{path.name} does not list it")
    leads_out = rows["path"].map(others).eq(LINK_OUT)
    others = {file: why for file, why in others.items() if file not in set(rows["path"])}
    kept, patient_notes = fill_patients(rows[found & ~leads_out], options.patients, source=SOURCE)
    return Reading(
        rows=kept,
        rejected=joined(
            [
                aside(rows[~found], Category.MISSING, "missing file"),
                aside(rows[leads_out], Category.BAD_FILE, LINK_OUT),
                not_images(others),
            ]
        ),
        notes=(
            *_file_notes(rows, found, len(others), path.name),
            *split_notes,
            *patient_notes,
            *_cell_notes(table[found], rows[found]),
        ),
        root=root,
        declared={SOURCE: DECLARED},
    )


def _names(table: pd.DataFrame, path: pathlib.Path) -> pd.Series:
    names = table[IMAGE].fillna("")
    wrong = ~names.str.fullmatch(r"[^/\\\0]*[^/\\\0.][^/\\\0]*")
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: column {IMAGE}, row {row + 1}: expected a file name without a folder. "
            f"Received: {names.iloc[row] or '(empty)'}."
        )
    twice = names.duplicated()
    if twice.any():
        row = int(twice.argmax())
        raise ValueError(
            f"{path}: row {row + 1} lists {names.iloc[row]} a second time; remove one of the rows."
        )
    return names


def _files(root: pathlib.Path) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the path of each file name, and why other files, or some of these, are not used."""
    files: dict[str, str] = {}
    others: dict[str, str] = {}
    for folder in (root / "images", *sorted(root.glob("images_[0-9][0-9][0-9]/images"))):
        for path, why in files_below(folder, root).items():
            name = path.rpartition("/")[2]
            if (root / path).parent != folder or (why and why != LINK_OUT):
                others[path] = why or f"not directly in {folder.relative_to(root).as_posix()}/"
            elif name in files:
                others[path] = f"a second file of this name, {files[name]} is read"
            else:
                files[name] = path
                if why:
                    others[path] = why
    return files, others


def _sex(table: pd.DataFrame, path: pathlib.Path) -> pd.Series:
    for column in SEXES:
        if column in table:
            return table[column]
    raise ValueError(
        f"{path}: expected a column {' or '.join(SEXES)}. Received: {header_of(table)}."
    )


def _years(cells: pd.Series) -> pd.Series:
    """Returns ages in years, missing where a cell is no age that a person can have."""
    parts = cells.str.strip().str.extract(r"^(\d+(?:\.\d+)?)([YMD]?)$")
    years = parts[0].astype("float64") / parts[1].map(PER_YEAR).fillna(1.0).astype("float64")
    return years.where(years.between(0, OLDEST_YEARS))


def _official_split(names: pd.Series, root: pathlib.Path) -> tuple[pd.Series, list[str]]:
    """Returns the official split of each image, and notes on lists that are not there."""
    official = pd.Series(pd.NA, names.index, TEXT)
    notes = []
    for split, file in LISTS.items():
        try:
            listed = (root / file).read_text(encoding="utf-8-sig").split()
        except FileNotFoundError:
            notes.append(f"{file} is not there: no image is known to be of the official {split}.")
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{root / file}: expected a list of file names ({error}).") from error
        inside = names.isin(listed)
        both = inside & official.notna()
        if both.any():
            raise ValueError(
                f"{root / file}: expected other images than in {LISTS['TRAIN']}. Received in "
                f"both: {listing(names[both].tolist())}."
            )
        official = official.mask(inside, split)
    return official, notes


def _file_notes(rows: pd.DataFrame, found: pd.Series, num_others: int, table: str) -> list[str]:
    notes = []
    if not found.all():
        notes.append(
            f"{int((~found).sum())} of {len(rows)} images that {table} lists are not there."
        )
    if num_others:
        notes.append(f"{num_others} files that {table} does not list are left out.")
    return notes


def _cell_notes(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    notes = [
        f"Source {SOURCE}: Normal means {NO_FINDING}, none of the 14 labels; Pneumonia is this "
        "label with or without others, and every other image has another finding."
    ]
    impossible = rows["age"].isna() & table[AGE].notna()
    if impossible.any():
        texts = listing(table[AGE][impossible].unique().tolist())
        notes.append(
            f"{int(impossible.sum())} ages are none that a person can have and count as unknown: "
            f"{texts}."
        )
    return notes
