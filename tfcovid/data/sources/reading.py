"""What every data set's reader returns, and how a reader opens the tables it finds."""

import dataclasses
import enum
import pathlib
from collections.abc import Collection

import numpy as np
import pandas as pd

# pandas 3 calls this type "str"; in pandas 2 that name would turn a missing cell into "nan".
TEXT = pd.StringDtype(na_value=np.nan)

ROW_COLUMNS = (
    "image",
    "path",
    "finding",
    "official_split",
    "patient_id",
    "source",
    "view",
    "sex",
    "age",
)
REJECTED_COLUMNS = ("image", "path", "reason")
MAX_NAMES_IN_A_NOTE = 10


class Finding(enum.StrEnum):
    """What the publisher says an X-ray shows: the vocabulary that all readers share."""

    NORMAL = "Normal"
    BACTERIAL = "Bacterial"
    VIRAL = "Viral"
    COVID19 = "COVID-19"
    SARS = "SARS"
    STREPTOCOCCUS = "Streptococcus"
    ARDS = "ARDS"
    STRESS_SMOKING = "Stress-Smoking"


@dataclasses.dataclass(frozen=True)
class Reading:
    """A data set as it was found on disk, before any task, check of pixels, or split.

    Attributes:
      rows: one usable image a row, with the columns ROW_COLUMNS. `image` is the unique example id;
        `path` is relative to `root`, in posix form; `finding` is a value of Finding; `age` is
        float64 in years, every other column is text. What is unknown is missing, never guessed.
      rejected: images that the data set lists and that cannot be used, columns REJECTED_COLUMNS.
      notes: lines that a user should read before believing a score on this data.
      root: the folder that the paths are relative to.

    Raises:
      ValueError: if `rows` or `rejected` lack a column, or an image id stands twice in `rows`.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    notes: tuple[str, ...]
    root: pathlib.Path

    def __post_init__(self) -> None:
        for name, frame, columns in (
            ("rows", self.rows, ROW_COLUMNS),
            ("rejected", self.rejected, REJECTED_COLUMNS),
        ):
            if tuple(frame.columns) != columns:
                raise ValueError(
                    f"Reading.{name}: expected the columns {', '.join(columns)}. "
                    f"Received: {', '.join(map(str, frame.columns))}."
                )
        twice = self.rows["image"][self.rows["image"].duplicated()]
        if len(twice):
            raise ValueError(f"Reading.rows: image ids must be unique, {twice.iloc[0]} is not.")


def text_columns(frame: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    """Returns `frame` with the named columns as pandas' text type, also where all are missing."""
    return frame.astype(dict.fromkeys(columns, TEXT))


def listing(names: Collection[str]) -> str:
    """Returns the names joined by commas, the first few only, and how many more there are."""
    shown = list(names)[:MAX_NAMES_IN_A_NOTE]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def read_table(path: pathlib.Path, *, required: Collection[str]) -> pd.DataFrame:
    """Returns a CSV file as text cells, missing where the cell is empty.

    Args:
      path: a UTF-8 CSV file with a header line; a byte order mark is allowed.
      required: the columns that must be there.

    Returns:
      Every column of the file, as text; index 0 … n-1.

    Raises:
      ValueError: if the file does not exist, is no UTF-8, is no CSV, lacks a required column, or
        has no row.
    """
    try:
        # Only an empty cell is missing: "NA" and "None" may be somebody's name for a patient.
        table = pd.read_csv(
            path, dtype=TEXT, keep_default_na=False, na_values=[""], encoding="utf-8-sig"
        )
    except OSError as error:
        raise ValueError(
            f"{path}: expected a CSV file, cannot open it ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected UTF-8 text, byte {error.start} is not; save the file as UTF-8."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path}: expected a CSV file with a header line, it is empty.") from error
    except pd.errors.ParserError as error:
        raise ValueError(f"{path}: expected a CSV file. {str(error).strip()}.") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path}: expected the column {', '.join(missing)}. "
            f"Received: {', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise ValueError(f"{path}: expected at least one row below the header, there is none.")
    return table
