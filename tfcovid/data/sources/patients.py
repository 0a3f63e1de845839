"""A table that says which patient each image is of, beside a data set that does not say it."""

import pathlib

import pandas as pd

from tfcovid.data.groups import connected_rows
from tfcovid.data.sources.reading import TEXT, read_table

IMAGE_COLUMNS = ("image", "filename")
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
    known = pd.DataFrame({"image": image, "patient_id": _merged(image, patient)})
    for column in OPTIONAL_COLUMNS:
        known[column] = table[column] if column in table else pd.Series(pd.NA, table.index, TEXT)
    known["age"] = _years(known["age"], path)
    return known.groupby("image", sort=False).first()


def _one_of(table: pd.DataFrame, columns: tuple[str, ...], path: pathlib.Path) -> str:
    for column in columns:
        if column in table:
            return column
    raise ValueError(
        f"{path}: expected a column {' or '.join(columns)}. "
        f"Received: {', '.join(map(str, table.columns))}."
    )


def _merged(image: pd.Series, patient: pd.Series) -> pd.Series:
    """Returns the patient ids with the ones that share an image name made one."""
    components = connected_rows(image, patient)
    first = patient.groupby(components).min()
    return pd.Series(first.loc[components].to_numpy(), index=patient.index, dtype=TEXT)


def _years(cells: pd.Series, path: pathlib.Path) -> pd.Series:
    years = pd.to_numeric(cells, errors="coerce").astype("float64")
    wrong = cells.notna() & ~years.between(0, 130)
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(
            f"{path}: column age, row {row + 1}: expected years between 0 and 130 or an empty "
            f"cell. Received: {cells.iloc[row]}."
        )
    return years
