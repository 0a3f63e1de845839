"""ChestX-ray14's 14 labels of an image, as a cell of a table holds them.

Source: Wang et al. 2017, arXiv:1705.02315, with the spelling and the order of its tables.
"""

import pathlib

import pandas as pd

from tfcovid.data.sources.reading import TEXT, Finding

NO_FINDING = "No Finding"
PNEUMONIA = "Pneumonia"
PATHOLOGIES = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    PNEUMONIA,
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
SEPARATOR = "|"


def checked_pathologies(cells: pd.Series, column: str, path: pathlib.Path) -> pd.Series:
    """Returns the labels of each image as they are, missing where the cell is empty.

    Args:
      cells: names of PATHOLOGIES joined by "|", or "No Finding"; text [n], index 0 … n-1.
      column: what the table calls them, for the message.
      path: the table, for the message.

    Raises:
      ValueError: if a name is unknown or empty, or "No Finding" stands beside another one.
    """
    for cell in cells.dropna().unique():
        labels = cell.split(SEPARATOR)
        unknown = [label for label in labels if label not in (NO_FINDING, *PATHOLOGIES)]
        row = int(cells.eq(cell).argmax()) + 1
        if unknown:
            raise ValueError(
                f"{path}: column {column}, row {row}: expected {', '.join(PATHOLOGIES)}, joined by "
                f"{SEPARATOR}, or {NO_FINDING}. Received: {', '.join(unknown) or '(empty)'}."
            )
        if NO_FINDING in labels and len(labels) > 1:
            raise ValueError(
                f"{path}: column {column}, row {row}: expected {NO_FINDING} alone. "
                f"Received: {cell}."
            )
    return cells


def findings_of(cells: pd.Series) -> pd.Series:
    """Returns the Finding that the labels of each image amount to, missing where they are.

    Args:
      cells: as `checked_pathologies` returns them.
    """
    found = {cell: str(_finding(cell)) for cell in cells.dropna().unique()}
    return cells.map(found).astype(TEXT)


def _finding(cell: str) -> Finding:
    labels = cell.split(SEPARATOR)
    if NO_FINDING in labels:
        return Finding.NORMAL
    return Finding.PNEUMONIA if PNEUMONIA in labels else Finding.OTHER
