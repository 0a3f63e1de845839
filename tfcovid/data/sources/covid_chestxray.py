"""Reads ieee8023's covid-chestxray-dataset: images from publications and the web, with patients.

Every projection is kept, lateral views too; CT is set aside, whether its files are there or not.

Source: github.com/ieee8023/covid-chestxray-dataset (Cohen et al. 2020, arXiv:2006.11988).
"""

import csv
import os
import pathlib

import pandas as pd

from tfcovid.data.sources.image_tree import (
    LINK_OUT,
    checked_root,
    files_below,
    is_file,
    joined,
    not_images,
)
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.patients import fill_patients, listed_once, merged_patients
from tfcovid.data.sources.reading import (
    TEXT,
    Category,
    Finding,
    Reading,
    aside,
    listing,
    read_table,
)

METADATA_NAME = "metadata.csv"
IMAGE_FOLDER = "images"
SOURCE = "ieee8023"
DECLARED = "images from publications and the web, of many hospitals and countries"

PATIENT, FILE, FINDING, MODALITY = "patientid", "filename", "finding", "modality"
VIEW, SEX, AGE, FOLDER = "view", "sex", "age", "folder"
REQUIRED = (PATIENT, FILE, FINDING, MODALITY, VIEW, SEX, AGE)
XRAY, CT = "X-ray", "CT"
OLDEST_YEARS = 120

# In lower case; the first releases write one name, the later ones a path: Pneumonia/Viral/SARS.
FINDING_OF = {
    "ards": Finding.ARDS,
    "bacterial": Finding.BACTERIAL,
    "chlamydophila": Finding.CHLAMYDOPHILA,
    "covid-19": Finding.COVID19,
    "covid-19, ards": Finding.COVID19,
    "e.coli": Finding.E_COLI,
    "influenza": Finding.INFLUENZA,
    "klebsiella": Finding.KLEBSIELLA,
    "legionella": Finding.LEGIONELLA,
    "lipoid": Finding.LIPOID,
    "mers": Finding.MERS,
    "mers-cov": Finding.MERS,
    "mycoplasma": Finding.MYCOPLASMA,
    "mycoplasma bacterial pneumonia": Finding.MYCOPLASMA,
    "no finding": Finding.NORMAL,
    "pneumocystis": Finding.PNEUMOCYSTIS,
    "pneumonia": Finding.PNEUMONIA,
    "sars": Finding.SARS,
    "streptococcus": Finding.STREPTOCOCCUS,
    "varicella": Finding.VARICELLA,
    "viral": Finding.VIRAL,
}


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds this data set, by the columns of its metadata.csv."""
    try:
        with (pathlib.Path(root) / METADATA_NAME).open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return set(REQUIRED) <= set(header)


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns the X-rays that the table lists and that are there.

    Args:
      root: the folder with `metadata.csv` and `images/`.
      options: `patients` fills in what the table does not know.

    Returns:
      The reading. The source is "ieee8023"; patients who share a file are one. A finding is
      missing where the table says "todo", "Unknown" or a word that stands for no finding here.

    Raises:
      ValueError: if the folder, the table, a column or every X-ray is missing; if a name is no
        plain file name; if a modality is neither X-ray nor CT.
    """
    root = checked_root(root)
    path = root / METADATA_NAME
    table = read_table(path, required=REQUIRED)
    is_ct = _modalities(table, path).eq(CT.lower())
    there = files_below(root / IMAGE_FOLDER, root)
    rows = _rows(table, path)
    exists = pd.Series([_is_there(root, there, file) for file in rows["path"]])
    if not (exists & ~is_ct).any():
        raise ValueError(
            f"{root}: expected the X-rays that {METADATA_NAME} lists in {IMAGE_FOLDER}/, none of "
            f"the {int((~is_ct).sum())} is there."
        )

    leads_out = rows["path"].map(there).eq(LINK_OUT)
    absent, good = ~is_ct & ~exists, ~is_ct & exists & ~leads_out
    ct_reason = pd.Series("CT, no X-ray", rows.index).mask(
        ~exists, "CT, no X-ray; its file is not there either"
    )
    kept, twice, twice_notes = listed_once(rows[good], table[PATIENT][good])
    others = {
        file: why or f"{METADATA_NAME} does not list this file"
        for file, why in there.items()
        if file not in set(rows["path"])
    }
    kept, patient_notes = fill_patients(kept, options.patients, source=SOURCE)
    return Reading(
        rows=kept,
        rejected=joined(
            [
                aside(rows[is_ct], Category.NOT_XRAY, ct_reason[is_ct]),
                aside(rows[absent], Category.MISSING, "missing file"),
                aside(rows[~is_ct & exists & leads_out], Category.BAD_FILE, LINK_OUT),
                twice,
                not_images(others),
            ]
        ),
        notes=(
            *_file_notes(rows, is_ct, exists, len(others)),
            *twice_notes,
            *patient_notes,
            *_cell_notes(table[good], rows[good]),
        ),
        root=root,
        declared={SOURCE: DECLARED},
    )


def _modalities(table: pd.DataFrame, path: pathlib.Path) -> pd.Series:
    modalities = table[MODALITY].str.strip().str.lower()
    wrong = ~modalities.isin((XRAY.lower(), CT.lower()))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path}: column {MODALITY}, row {row + 1}: expected one of {XRAY}, {CT}. "
            f"Received: {table[MODALITY].fillna('(empty)').iloc[row]}."
        )
    return modalities


def _rows(table: pd.DataFrame, path: pathlib.Path) -> pd.DataFrame:
    """Returns all rows of the table in our columns, index 0 … n-1."""
    folders = table[FOLDER] if FOLDER in table else pd.Series(pd.NA, table.index, TEXT)
    folders = folders.fillna(IMAGE_FOLDER)
    for column, cells in ((FILE, table[FILE].fillna("")), (FOLDER, folders)):
        wrong = ~cells.str.fullmatch(r"[^/\\\0]*[^/\\\0.][^/\\\0]*")
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"{path}: column {column}, row {row + 1}: expected a name without a folder. "
                f"Received: {cells.iloc[row] or '(empty)'}."
            )
    files = folders + "/" + table[FILE]
    years = pd.to_numeric(table[AGE], errors="coerce").astype("float64")
    return pd.DataFrame(
        {
            # Two folders can hold one name; the published images lie in one.
            "image": table[FILE].where(folders.eq(IMAGE_FOLDER), files),
            "path": files,
            "finding": table[FINDING].map(_finding).astype(TEXT),
            # By the name, as the patients table of other data sets joins them.
            "patient_id": f"{SOURCE}:" + merged_patients(table[FILE], table[PATIENT]),
            "view": table[VIEW],
            "sex": table[SEX],
            "age": years.where(years.between(0, OLDEST_YEARS)),
        }
    )


def _finding(text: object) -> str | None:
    """Returns the finding that the last known part of a cell says, None where none is known."""
    parts = [part.strip().lower() for part in str(text).split("/")]
    known = [FINDING_OF[part] for part in parts if part in FINDING_OF]
    return str(known[-1]) if known else None


def _is_there(root: pathlib.Path, there: dict[str, str | None], file: str) -> bool:
    """Returns whether a file is there; the volumes of CT lie in another folder."""
    return file in there or (not file.startswith(f"{IMAGE_FOLDER}/") and is_file(root / file))


def _file_notes(
    rows: pd.DataFrame, is_ct: pd.Series, exists: pd.Series, num_others: int
) -> list[str]:
    num_ct = int(is_ct.sum())
    notes = [f"{METADATA_NAME} lists {len(rows)} images: {len(rows) - num_ct} X-rays, {num_ct} CT."]
    if num_ct:
        notes.append(f"{num_ct} rows of CT are left out.")
    absent = rows["image"][~exists & ~is_ct]
    if not exists.all():
        notes.append(
            f"{int((~exists).sum())} of the {len(rows)} listed files are missing: "
            f"{int((~exists & is_ct).sum())} of CT, {len(absent)} of X-rays"
            f"{f' ({listing(absent)})' if len(absent) else ''}."
        )
    if num_others:
        notes.append(f"{num_others} files that {METADATA_NAME} does not list are left out.")
    return notes


def _cell_notes(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Returns what could not be read of the X-rays that are there."""
    notes = []
    unknown = rows["finding"].isna()
    if unknown.any():
        texts = table[FINDING][unknown].fillna("(empty)").value_counts()
        counts = listing([f"{text} {count}" for text, count in texts.items()])
        notes.append(f"{int(unknown.sum())} X-rays have no known finding: {counts}.")
    ages = rows["age"].isna() & table[AGE].notna()
    if ages.any():
        cells = listing(table[AGE][ages].unique().tolist())
        notes.append(f"{int(ages.sum())} ages are no years and count as unknown: {cells}.")
    return notes
