"""What every data set's reader returns, and how a reader opens the tables it finds."""

import dataclasses
import enum
import pathlib
import re
import warnings
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

# pandas 3 calls this type "str"; in pandas 2 that name would turn a missing cell into "nan".
TEXT = pd.StringDtype(na_value=np.nan)

ROW_COLUMNS = (
    "image",
    "path",
    "finding",
    "pathologies",
    "official_split",
    "patient_id",
    "source",
    "view",
    "sex",
    "age",
)
REJECTED_COLUMNS = ("image", "path", "reason", "category")
MAX_NAMES_IN_A_NOTE = 10
# What no column is called: a number, a date, the name of an image. pandas puts a number behind a
# name that stands twice.
_A_VALUE = re.compile(
    r"[\d\s.,:/+-]*\d[\d\s.,:/+-]*|.*\.(png|jpe?g|gif|dcm|tiff?|bmp)(\.\d+)?", re.IGNORECASE
)
# ChestX-ray14's table has 8 MB, and a table takes several times its file in memory.
MAX_TABLE_BYTES = 512 << 20


class Finding(enum.StrEnum):
    """What the publisher says an X-ray shows: the vocabulary that all readers share.

    A cause that is not known stays open: PNEUMONIA says nothing of the germ, and OTHER nothing at
    all but that the film is neither normal nor one of a pneumonia.
    """

    NORMAL = "Normal"
    PNEUMONIA = "Pneumonia"
    BACTERIAL = "Bacterial"
    CHLAMYDOPHILA = "Chlamydophila"
    E_COLI = "E. coli"
    KLEBSIELLA = "Klebsiella"
    LEGIONELLA = "Legionella"
    MYCOPLASMA = "Mycoplasma"
    STREPTOCOCCUS = "Streptococcus"
    VIRAL = "Viral"
    COVID19 = "COVID-19"
    INFLUENZA = "Influenza"
    MERS = "MERS"
    SARS = "SARS"
    VARICELLA = "Varicella"
    PNEUMOCYSTIS = "Pneumocystis"
    LIPOID = "Lipoid"
    LUNG_OPACITY = "Lung opacity"
    ARDS = "ARDS"
    STRESS_SMOKING = "Stress-Smoking"
    OTHER = "Other finding"


class Category(enum.StrEnum):
    """Why an image is not used: what `rejected.csv` and the audit count by."""

    MISSING = "missing file"
    BAD_FILE = "bad file"
    UNLISTED = "not listed"
    LISTED_TWICE = "listed twice"
    NOT_XRAY = "no X-ray"
    LATERAL = "lateral view"
    NO_CLASS = "no class in the task"
    COPY = "copy"
    LABELS_DIFFER = "copies with different labels"
    NOT_IN_SPLIT = "in no split"
    LEFT_OUT = "left out"


BROKEN = (Category.MISSING, Category.BAD_FILE)
"""What is wrong with a data set, not with its use: `--max_set_aside` limits these."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A data set as it was found on disk, before any task, check of pixels, or split.

    Attributes:
      rows: one usable image a row, with the columns ROW_COLUMNS. `image` is the unique example id;
        `path` is relative to `root`, in posix form; `finding` is a value of Finding;
        `pathologies` are ChestX-ray14's names joined by "|", or "No Finding"; `age` is float64 in
        years, every other column is text. What is unknown is missing, never guessed.
      rejected: images of the data set that cannot be used, columns REJECTED_COLUMNS; `category`
        is a value of Category. A path may stand here and in `rows`: a file that is listed twice.
      notes: lines that a user should read before believing a score on this data.
      root: the folder that the paths are relative to.
      declared: what the publisher says of the patients of a source and no column holds, in words,
        by the name of the source; it is shown as declared, never as measured.
      facts: of the images' files as `image_files.scan_files` finds them, indexed like `rows`,
        where no file lies at `path` because the data set was decoded before (records); else None.

    Raises:
      ValueError: if `rows` or `rejected` lack a column, or an image id stands twice in `rows`.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    notes: tuple[str, ...]
    root: pathlib.Path
    declared: Mapping[str, str] = dataclasses.field(default_factory=dict)
    facts: pd.DataFrame | None = None

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


def aside(rows: pd.DataFrame, category: Category, reason: str | pd.Series) -> pd.DataFrame:
    """Returns rows as the table of rejected images has them.

    Args:
      rows: columns image and path.
      category: what is wrong with all of them.
      reason: the same for all, or text indexed like `rows`.
    """
    table = rows[["image", "path"]].assign(reason=reason, category=str(category))
    return table[list(REJECTED_COLUMNS)].astype(TEXT)


def as_utf8(name: str) -> str:
    """Returns a file's name with the bytes that are no UTF-8 written as Python writes them."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def no_rejected() -> pd.DataFrame:
    """Returns the table of rejected images without a row."""
    return pd.DataFrame({column: pd.Series(dtype=TEXT) for column in REJECTED_COLUMNS})


def text_columns(frame: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    """Returns `frame` with the named columns as pandas' text type, also where all are missing."""
    return frame.astype(dict.fromkeys(columns, TEXT))


def listing(names: Collection[str]) -> str:
    """Returns the names joined by commas, the first few only, and how many more there are."""
    shown = list(names)[:MAX_NAMES_IN_A_NOTE]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def header_of(table: pd.DataFrame) -> str:
    """Returns the names of a table's columns, unless its first line seems to be one of its rows.

    A table without a header line has a patient there, who has no place in an error.
    """
    names = [str(name) for name in table.columns]
    if any(_A_VALUE.fullmatch(name) for name in names):
        return f"{len(names)} cells that seem to be a row of data; is the header line missing?"
    return ", ".join(names)


def _refuse_endless(path: pathlib.Path) -> None:
    """Raises ValueError for a table that the memory would not hold, or that never ends."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path}: expected a CSV file, it is a device or a pipe.")
    num_bytes = path.stat().st_size
    if num_bytes > MAX_TABLE_BYTES:
        raise ValueError(
            f"{path}: expected a CSV file of at most {MAX_TABLE_BYTES >> 20} MiB. "
            f"Received: {num_bytes:,} bytes; leave out the columns that are not needed."
        )


def _what_is_wrong(error: pd.errors.ParserError) -> str:
    """Returns why a table does not parse, and what to do."""
    unclosed = re.search(r"EOF inside string starting at row (\d+)", str(error))
    if unclosed:
        return f"the quotation mark in line {int(unclosed[1]) + 1} is never closed: close it"
    return f"{str(error).strip().rstrip('.')}: give each row the cells of the header line"


def read_table(path: pathlib.Path, *, required: Collection[str]) -> pd.DataFrame:
    """Returns a CSV file as text cells without blanks around them, missing where one is empty.

    Args:
      path: a UTF-8 CSV file with a header line; a byte order mark is allowed.
      required: the columns that must be there.

    Returns:
      Every column of the file, as text; index 0 … n-1.

    Raises:
      ValueError: if the file does not exist, has more than 512 MiB, is no UTF-8, is no CSV, has a
        row longer than its header, lacks a required column, or has no row.
    """
    try:
        _refuse_endless(path)
        # Only an empty cell is missing: "NA" and "None" may be somebody's name for a patient.
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            table = pd.read_csv(
                path,
                dtype=TEXT,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8-sig",
                index_col=False,
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
        raise ValueError(f"{path}: expected a CSV file; {_what_is_wrong(error)}.") from error
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path}: expected as many cells in a row as in the header line, found more."
        ) from error
    if len(table.columns) == 1 and re.search(r"[;\t|]", table.columns[0]):
        raise ValueError(
            f"{path}: expected commas between the columns, found another separator: save it with "
            "commas."
        )
    # Blanks around a patient's id would make two patients of one.
    stripped = table.apply(lambda column: column.str.strip())
    table = stripped.mask(stripped == "").astype(TEXT)
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path}: expected the column {', '.join(missing)}. Received: {header_of(table)}."
        )
    if table.empty:
        raise ValueError(f"{path}: expected at least one row below the header, there is none.")
    return table
