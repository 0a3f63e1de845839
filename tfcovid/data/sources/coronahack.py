"""Reads CoronaHack: Kermany's children and some images of ieee8023's collection, in one folder.

The table decides which images there are, never the folder: the published folder holds some CT
slices that the table does not list.

Source: Kaggle, praveengovi/coronahack-chest-xraydataset, first release.
"""

import os
import pathlib
from collections.abc import Collection

import pandas as pd

from tfcovid.data.sources.coronahack_names import GUESS, KERMANY, patients_from_names, source_of
from tfcovid.data.sources.patients import read_patients
from tfcovid.data.sources.reading import (
    ROW_COLUMNS,
    TEXT,
    Category,
    Finding,
    Reading,
    as_utf8,
    aside,
    listing,
    read_table,
    text_columns,
)

METADATA_NAME = "Chest_xray_Corona_Metadata.csv"
PATIENTS_NAME = "patients.csv"
IMAGE_FOLDER = "Coronahack-Chest-XRay-Dataset"

IMAGE, SPLIT = "X_ray_image_name", "Dataset_type"
LABEL, CATEGORY, SUBCATEGORY = "Label", "Label_1_Virus_category", "Label_2_Virus_category"

DECLARED = "children of 1 to 5 years from one hospital"

EMPTY = ""
# From the general to the particular; "Pnemonia" is the publisher's spelling.
FINDING_OF = {
    ("Normal", EMPTY, EMPTY): Finding.NORMAL,
    ("Pnemonia", "bacteria", EMPTY): Finding.BACTERIAL,
    ("Pnemonia", "bacteria", "Streptococcus"): Finding.STREPTOCOCCUS,
    ("Pnemonia", "Virus", EMPTY): Finding.VIRAL,
    ("Pnemonia", "Virus", "COVID-19"): Finding.COVID19,
    ("Pnemonia", "Virus", "SARS"): Finding.SARS,
    ("Pnemonia", "Stress-Smoking", EMPTY): Finding.STRESS_SMOKING,
    ("Pnemonia", "Stress-Smoking", "ARDS"): Finding.ARDS,
}
ALLOWED = {
    LABEL: ("Normal", "Pnemonia"),
    CATEGORY: (EMPTY, "bacteria", "Virus", "Stress-Smoking"),
    SUBCATEGORY: (EMPTY, "COVID-19", "SARS", "Streptococcus", "ARDS"),
    SPLIT: ("TRAIN", "TEST"),
}


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds CoronaHack, by the name of its table."""
    return (pathlib.Path(root) / METADATA_NAME).is_file()


def read(
    root: str | os.PathLike[str], *, patients: str | os.PathLike[str] | None = None
) -> Reading:
    """Returns the images that CoronaHack's table lists and that are there.

    Args:
      root: the folder with `Chest_xray_Corona_Metadata.csv`; images lie below it in
        `Coronahack-Chest-XRay-Dataset/`, once or twice, in `train/` and `test/`.
      patients: a CSV that maps file names to patients (see read_patients); None takes
        `patients.csv` beside the table where there is one. An image that no table maps gets its
        patient from its file name: exact for Kermany's, a guess marked "guessed:" for others.

    Returns:
      The reading. Sources are "kermany" and "ieee8023" unless the patients table names others;
      patient ids start with the source. Images that are listed and not there are in `rejected`.

    Raises:
      ValueError: if the folder, the table, a column or every image is missing; if a cell holds a
        value, or a row a combination, that CoronaHack does not have; if a file is listed twice; if
        `patients` maps none of the images.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of a data set, there is no such folder.")
    table = _read_metadata(root / METADATA_NAME)
    folder = _image_folder(root)
    there = {split: _file_names(folder / split.lower()) for split in ALLOWED[SPLIT]}

    names, splits = table[IMAGE], table[SPLIT]
    twice = names.duplicated(keep=False)
    rows = pd.DataFrame(
        {
            "image": names.where(~twice, splits.str.lower() + "/" + names),
            "path": f"{folder.relative_to(root).as_posix()}/" + splits.str.lower() + "/" + names,
            "finding": _findings(table, root / METADATA_NAME),
            "official_split": splits,
        }
    )
    rows, patients_note = _with_patients(rows, names, _patients_file(root, patients))
    found = pd.Series([n in there[s] for n, s in zip(names, splits, strict=True)])
    if not found.any():
        raise ValueError(
            f"{folder}: expected the images that {METADATA_NAME} lists in train/ and test/, none "
            f"of the {len(rows)} is there."
        )
    missing = rows[~found]
    rows = rows.loc[found, list(ROW_COLUMNS)].reset_index(drop=True)
    unlisted = _unlisted(there, rows, folder.relative_to(root))
    return Reading(
        rows=rows,
        rejected=pd.concat([aside(missing, Category.MISSING, "missing file"), unlisted]),
        notes=(
            *_file_notes(missing, len(rows), len(unlisted)),
            patients_note,
            *_content_notes(rows),
        ),
        root=root,
        declared={KERMANY: DECLARED},
    )


def _read_metadata(path: pathlib.Path) -> pd.DataFrame:
    """Returns the table with every cell checked and empty categories as EMPTY."""
    table = read_table(path, required=(IMAGE, LABEL, SPLIT, CATEGORY, SUBCATEGORY))
    for column, allowed in ALLOWED.items():
        cells = table[column] = table[column].fillna(EMPTY)
        unknown = ~cells.isin(allowed)
        if unknown.any():
            row = int(unknown.argmax())
            values = ", ".join(value or "(empty)" for value in allowed)
            raise ValueError(
                f"{path}: column {column}, row {row + 1}: expected one of {values}. "
                f"Received: {cells.iloc[row] or '(empty)'}."
            )
    names = table[IMAGE].fillna(EMPTY)
    wrong = ~names.str.fullmatch(r"[^/\\\0]*[^/\\\0.][^/\\\0]*")
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: column {IMAGE}, row {row + 1}: expected a file name without a folder. "
            f"Received: {names.iloc[row] or '(empty)'}."
        )
    twice = table.duplicated([IMAGE, SPLIT])
    if twice.any():
        row = int(twice.argmax())
        raise ValueError(
            f"{path}: row {row + 1} lists {names.iloc[row]} a second time for "
            f"{table[SPLIT].iloc[row]}; remove one of the rows."
        )
    return table


def _findings(table: pd.DataFrame, path: pathlib.Path) -> pd.Series:
    keys = list(zip(table[LABEL], table[CATEGORY], table[SUBCATEGORY], strict=True))
    for row, key in enumerate(keys, start=1):
        if key not in FINDING_OF:
            raise ValueError(
                f"{path}: row {row}: {LABEL}, {CATEGORY} and {SUBCATEGORY} contradict one another: "
                f"{', '.join(value or '(empty)' for value in key)}."
            )
    return pd.Series([str(FINDING_OF[key]) for key in keys])


def _image_folder(root: pathlib.Path) -> pathlib.Path:
    """Returns the folder that holds train/ and test/: people unpack the archive in two ways."""
    candidates = (root / IMAGE_FOLDER / IMAGE_FOLDER, root / IMAGE_FOLDER)
    for folder in candidates:
        if (folder / "train").is_dir() or (folder / "test").is_dir():
            return folder
    raise ValueError(
        f"{root}: expected the folders train/ and test/ in {IMAGE_FOLDER}/{IMAGE_FOLDER}/ or in "
        f"{IMAGE_FOLDER}/, found neither."
    )


def _file_names(folder: pathlib.Path) -> set[str]:
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {as_utf8(entry.name) for entry in entries if entry.is_file()}


def _unlisted(there: dict[str, set[str]], rows: pd.DataFrame, folder: pathlib.Path) -> pd.DataFrame:
    """Returns the files that lie in the folders and in no row of the table."""
    paths = [
        f"{folder.as_posix()}/{split.lower()}/{name}" for split in there for name in there[split]
    ]
    others = sorted(set(paths) - set(rows["path"]))
    files = pd.DataFrame({"image": others, "path": others}, dtype=TEXT)
    return aside(files, Category.UNLISTED, f"{METADATA_NAME} does not list this file")


def _patients_file(
    root: pathlib.Path, patients: str | os.PathLike[str] | None
) -> pathlib.Path | None:
    if patients is not None:
        return pathlib.Path(patients)
    beside = root / PATIENTS_NAME
    return beside if beside.is_file() else None


def _with_patients(
    rows: pd.DataFrame, names: pd.Series, path: pathlib.Path | None
) -> tuple[pd.DataFrame, str]:
    """Returns the rows with patient, source, view, sex and age, and a note on the patients."""
    known = pd.DataFrame(index=rows.index, columns=["patient_id", "view", "sex", "age", "source"])
    if path is not None:
        known = read_patients(path).reindex(names).reset_index(drop=True)
        if known["patient_id"].isna().all():
            raise ValueError(
                f"{path}: expected the patients of CoronaHack's images, it names none of them."
            )
    by_name = patients_from_names(names)
    patient = known["patient_id"].fillna(by_name)
    source = known["source"].fillna(names.map(source_of))
    rows = rows.assign(
        patient_id=source + ":" + patient,
        source=source,
        pathologies=pd.Series(pd.NA, rows.index, TEXT),
        view=known["view"],
        sex=known["sex"],
        age=known["age"].astype("float64"),
    )
    rows = text_columns(rows, [column for column in ROW_COLUMNS if column != "age"])

    guessed = patient.str.startswith(GUESS) & known["patient_id"].isna()
    mapped = int(known["patient_id"].notna().sum())
    parts = [f"{mapped} images by {path.name}"] if path else []
    numbered = len(rows) - mapped - int(guessed.sum())
    if numbered:
        parts.append(f"{numbered} by the person number in their name")
    if guessed.any():
        parts.append(
            f"{int(guessed.sum())} guessed from their name, as {patient[guessed].nunique()} "
            "patients; images of one patient with unlike names may stand in two splits "
            "(--patients=FILE takes a table that knows them)"
        )
    return rows, f"Patients of the listed images: {', '.join(parts)}."


def _file_notes(missing: pd.DataFrame, num_found: int, num_unlisted: int) -> list[str]:
    notes = []
    if len(missing):
        notes.append(
            f"{len(missing)} of {len(missing) + num_found} listed images are missing: "
            f"{listing(missing['image'])}."
        )
    if num_unlisted:
        notes.append(f"{num_unlisted} files that {METADATA_NAME} does not list are left out.")
    return notes


def _content_notes(rows: pd.DataFrame) -> list[str]:
    notes = [
        f"Source {source}: {len(part)} images ({_counts(part['finding'])})."
        for source, part in rows.groupby("source")
    ]
    if (rows["source"].eq(KERMANY) & rows["age"].isna()).any():
        notes.append(
            f"Source {KERMANY}: {DECLARED}, as its publisher declares; the data set has no ages, "
            "so the column age stays empty for them."
        )
    return notes


def _counts(findings: Collection[str]) -> str:
    counts = pd.Series(findings).value_counts()
    return ", ".join(f"{finding} {count}" for finding, count in counts.items())
