"""A table that says which patient each image is of, beside a data set that does not say it."""

import pathlib

import pandas as pd

from tfcovid.data.groups import connected_rows
from tfcovid.data.sources.reading import (
    ROW_COLUMNS,
    TEXT,
    Category,
    aside,
    header_of,
    listing,
    no_rejected,
    read_table,
    text_columns,
)

IMAGE_COLUMNS = ("image", "filename")
LONGEST_YEARS = 10_000
PATIENT_COLUMNS = ("patient_id", "patientid")
OPTIONAL_COLUMNS = ("view", "sex", "age", "source")


def read_patients(path: pathlib.Path) -> pd.DataFrame:
    """Returns what a patients table says of each image.

    Both the project's own `patients.csv` and the `metadata.csv` of ieee8023's collection can be
    read. A file name that stands under two patient ids makes those patients one, in all their
    images: their id is the first of theirs in the order of text.

    Args:
      path: a UTF-8 CSV file with a column `image` or `filename` and a column `patient_id` or
        `patientid`; the columns view, sex, age (years) and source are read where they are there.

    Returns:
      One image name a row: index `image`; columns patient_id, view, sex, source (text) and age
      (float64, years), missing where the table does not say. Where a name stands in several rows,
      each cell is the first that is known.

    Raises:
      ValueError: if the file cannot be read, has no such column, an empty image name, or an age
        that is no number.
    """
    table = read_table(path, required=())
    image = table[_one_of(table, IMAGE_COLUMNS, path)]
    patient = table[_one_of(table, PATIENT_COLUMNS, path)]
    if image.isna().any():
        raise ValueError(f"{path}: expected a file name in row {image.isna().argmax() + 1}.")
    known = pd.DataFrame({"image": image, "patient_id": merged_patients(image, patient)})
    for column in OPTIONAL_COLUMNS:
        known[column] = table[column] if column in table else pd.Series(pd.NA, table.index, TEXT)
    known["age"] = years_of(known["age"], path)
    return known.groupby("image", sort=False).first()


def merged_patients(image: pd.Series, patient: pd.Series) -> pd.Series:
    """Returns the patient ids with the ones that share an image made one, in all their images.

    Args:
      image: names of images, text [n].
      patient: patient ids, text [n]; a missing one becomes that of another row of its image.

    Returns:
      Patient ids, text [n], indexed like `patient`: of patients that became one, the first in the
      order of text.
    """
    components = connected_rows(image, patient)
    first = patient.groupby(components).min()
    return pd.Series(first.loc[components].to_numpy(), index=patient.index, dtype=TEXT)


def listed_once(
    rows: pd.DataFrame, listed_as: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Returns one row a file, the rows that list a file again, and notes on them.

    Args:
      rows: columns image, path, finding, patient_id and any others; the index is the number of the
        table's row, from 0. Rows of one file have one patient (see merged_patients).
      listed_as: the patients as the table lists them, indexed like `rows`.

    Returns:
      The first row of each file, each cell the first that is known, a label missing where two
      rows contradict each other; the rejected rows, with the reason; lines for the user.
    """
    again = rows["path"].duplicated()
    if not again.any():
        return rows, no_rejected(), ()
    first = pd.Series(rows.index, index=rows.index).groupby(rows["path"]).transform("min")
    patients = listed_as.fillna("(unknown)")
    reasons = pd.Series(
        [
            f"row {row + 1} lists it again, as patient {patients[row]}; row {kept + 1}, as "
            f"patient {patients[kept]}, stays"
            for row, kept in zip(rows.index[again].tolist(), first[again].tolist(), strict=True)
        ],
        index=rows.index[again],
        dtype=TEXT,
    )
    one = rows.groupby("path", sort=False).first().reset_index()[list(rows.columns)]
    for label in [name for name in ("finding", "pathologies") if name in rows]:
        unlike = rows.groupby("path")[label].nunique().gt(1)
        one[label] = one[label].mask(one["path"].map(unlike))
    notes = [f"{int(again.sum())} rows list a file again and are left out."]
    shared = rows["path"].duplicated(keep=False) & listed_as.notna()
    ids = listed_as[shared].groupby(rows.loc[shared, "path"])
    together = {"/".join(sorted(set(names))) for _, names in ids if len(set(names)) > 1}
    pairs = sorted(together)
    if pairs:
        notes.append(
            f"Patients who share a file count as one, in all their images: {listing(pairs)}."
        )
    if unlike.any():
        notes.append(
            f"{int(unlike.sum())} files are listed with different findings, which one is unknown: "
            f"{listing(unlike.index[unlike])}."
        )
    return one, aside(rows[again], Category.LISTED_TWICE, reasons), tuple(notes)


def fill_patients(
    rows: pd.DataFrame, path: pathlib.Path | None, *, source: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns rows as a reading has them, what they do not know taken from a patients table.

    Args:
      rows: columns image and path and any others of ROW_COLUMNS; patient ids start with the source.
      path: a patients table (see read_patients), or None. An image is looked up by its path, its
        id, and its file name where only one of the rows has that name.
      source: the source where neither row nor table names one.

    Returns:
      The rows with all of ROW_COLUMNS, index 0 … n-1, and notes on the patients not known.

    Raises:
      ValueError: if the table cannot be read.
    """
    rows = rows.reindex(columns=list(ROW_COLUMNS)).reset_index(drop=True)
    rows = text_columns(rows, [column for column in ROW_COLUMNS if column != "age"])
    rows["age"] = rows["age"].astype("float64")
    unknown = rows["patient_id"].isna()
    if path is not None:
        known = _looked_up(rows, read_patients(path))
        for column in OPTIONAL_COLUMNS:
            rows[column] = rows[column].fillna(known[column])
    rows["source"] = rows["source"].fillna(source)
    if path is not None:
        by_table = with_source(known["patient_id"], rows["source"])
        rows["patient_id"] = rows["patient_id"].fillna(by_table)

    mapped = int((unknown & rows["patient_id"].notna()).sum())
    notes = []
    if path is not None and unknown.any():
        notes.append(f"{source}: {path.name} knows the patients of {mapped} images.")
    still = int(rows["patient_id"].isna().sum())
    if still:
        notes.append(
            f"{source}: the patients of {still} of {len(rows)} images are unknown. Each of these "
            "images counts as a patient of its own, so images of one patient may stand in two "
            "splits (--patients=FILE takes a table that knows them)."
        )
    return rows, tuple(notes)


def _looked_up(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Returns what a patients table says of each row, indexed like `rows`."""
    names = rows["path"].str.rpartition("/")[2]
    # A name that two folders hold may mean either image: nothing is taken by it.
    names = names.mask(names.duplicated(keep=False))
    found = [
        known.reindex(key).set_index(rows.index) for key in (rows["path"], rows["image"], names)
    ]
    first, *others = found
    for other in others:
        first = first.fillna(other)
    return first


def with_source(patients: pd.Series, sources: pd.Series) -> pd.Series:
    """Returns the patient ids with their source before them: two sources number alike.

    An id that starts with it already, as in our own manifest.csv, stays as it is.
    """
    prefixes = sources + ":"
    bare = [
        pd.isna(patient) or not patient.startswith(prefix)
        for patient, prefix in zip(patients, prefixes, strict=True)
    ]
    return patients.mask(pd.Series(bare, patients.index), prefixes + patients)


def in_several_sources(patients: pd.Series, sources: pd.Series) -> tuple[str, ...]:
    """Returns a line for the user if ids stand under several sources, where they are kept apart."""
    counts = sources.groupby(patients).nunique()
    several = counts.index[counts > 1]
    if several.empty:
        return ()
    return (
        f"{len(several)} patient ids stand under several sources and are taken for different "
        f"people there, as if each source numbered on its own: {listing(several)}. If they are "
        "the same people, leave the column source out, or images of one may stand in two splits.",
    )


def years_of(cells: pd.Series, path: pathlib.Path) -> pd.Series:
    """Returns ages in years, float64 [n], missing where a cell is empty.

    Raises:
      ValueError: if a cell is no number between 0 and 130; the message names `path` and row.
    """
    years = pd.to_numeric(cells, errors="coerce").astype("float64")
    wrong = cells.notna() & ~years.between(0, 130)
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(
            f"{path}: column age, row {row + 1}: expected years between 0 and 130 or an empty "
            f"cell. Received: {_age_in_words(cells.iloc[row])}."
        )
    return years


def _age_in_words(cell: str) -> str:
    """Returns a cell that is no age; what it says only where it is no birth date and no name."""
    number = pd.to_numeric(cell, errors="coerce")
    is_short = cell.lower() == "nan" or abs(number) < LONGEST_YEARS
    return cell if is_short else "text, or a number as long as a date (not shown here)"


def _one_of(table: pd.DataFrame, columns: tuple[str, ...], path: pathlib.Path) -> str:
    for column in columns:
        if column in table:
            return column
    raise ValueError(
        f"{path}: expected a column {' or '.join(columns)}. Received: {header_of(table)}."
    )
