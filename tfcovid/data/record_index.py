"""The tables of a folder of records: what `prepare` writes last, and how it is read back, checked.

`records.json` says what the shards hold, `reading.csv` what the reader said of each image, the
facts of its file and where its square lies, `rejected.csv` what was left out. The folder is
complete when `records.json` is there: it is written last.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfcovid.data.image_files import FACT_TYPES
from tfcovid.data.sources.pathologies import checked_pathologies
from tfcovid.data.sources.reading import (
    REJECTED_COLUMNS,
    ROW_COLUMNS,
    TEXT,
    Category,
    Finding,
    Reading,
    no_rejected,
    read_table,
)
from tfcovid.whole_file import whole_file, write_text_whole

INDEX_NAME, READING_NAME, REJECTED_NAME = "records.json", "reading.csv", "rejected.csv"
FORMAT = 2
# Counts up when the same file gives other pixels: old shards are then made again.
PIXELS_VERSION = 1
VIEW = "full"
MIN_IMAGE_SIZE = 8

PLACE_TYPES = {"shard": np.dtype("int64"), "position": np.dtype("int64")}
_TYPES: dict[str, Any] = {
    **dict.fromkeys(ROW_COLUMNS, TEXT),
    "age": np.dtype("float64"),
    **FACT_TYPES,
    **PLACE_TYPES,
}
_NEVER_EMPTY = ("image", "path", *FACT_TYPES, *PLACE_TYPES)
_NUMBERS = ("age", "width", "height", *PLACE_TYPES)
_FIELDS: dict[str, type] = {
    "format": int,
    "pixels": int,
    "tensorflow": str,
    "image_size": int,
    "view": str,
    "images": int,
    "shards": list,
    "tables": dict,
    "notes": list,
    "declared": dict,
}
# Beyond it a number of the file is not the one that float64 keeps.
_HIGHEST_NUMBER = 2**53
_DIGEST = "[0-9a-f]{64}"


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """A finished shard: its file name, how many images and bytes it has, and its SHA-256."""

    file: str
    images: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class RecordIndex:
    """What a folder of records holds.

    Attributes:
      folder: where the records are.
      image_size: side of the squares in pixels.
      shards: the files, in order.
      reading: what the reader found, its `root` the folder of the records; `path` still is what it
        was in the data set that the records were made from.
      facts: of each image's original file, columns FACT_TYPES; indexed like `reading.rows`.
      places: the number of the shard and the place in it, int64; indexed like `reading.rows`.
    """

    folder: pathlib.Path
    image_size: int
    shards: tuple[ShardFile, ...]
    reading: Reading
    facts: pd.DataFrame
    places: pd.DataFrame


def shard_name(number: int, count: int) -> str:
    """Returns the file name of shard `number`, from 0, of `count`."""
    return f"images-{number:05d}-of-{count:05d}.tfrecord"


def write_index(index: RecordIndex, *, tensorflow_version: str) -> None:
    """Writes the tables of a folder whose shards are complete, `records.json` last.

    Nothing that differs between two runs over the same files is written: no time, no path.

    Args:
      index: what the folder holds; `reading.root` is not written.
      tensorflow_version: of the library that decoded the images.
    """
    reading = index.reading
    tables = {
        READING_NAME: pd.concat([reading.rows, index.facts, index.places], axis="columns"),
        REJECTED_NAME: reading.rejected,
    }
    for name, table in tables.items():
        with whole_file(index.folder / name) as beside:
            table.to_csv(beside, index=False, encoding="utf-8", lineterminator="\n")
    fields = {
        "format": FORMAT,
        "pixels": PIXELS_VERSION,
        "tensorflow": tensorflow_version,
        "image_size": index.image_size,
        "view": VIEW,
        "images": len(reading.rows),
        "shards": [dataclasses.asdict(shard) for shard in index.shards],
        "tables": {name: _sha256_of(index.folder / name) for name in tables},
        "notes": list(reading.notes),
        "declared": dict(reading.declared),
    }
    text = json.dumps(fields, indent=1, ensure_ascii=False)
    write_text_whole(index.folder / INDEX_NAME, f"{text}\n")


def read_index(folder: str | os.PathLike[str]) -> RecordIndex:
    """Returns what a folder of records holds, checked; the shards themselves are not opened.

    Args:
      folder: what `python -m tfcovid.prepare` wrote.

    Raises:
      ValueError: if there is no records.json, or it is not of this format; if a table is missing,
        was changed since, or holds a value that cannot stand there. One line that names the file.
    """
    folder = pathlib.Path(folder)
    path = folder / INDEX_NAME
    fields = _read_fields(path)
    shards = _shards_of(fields, path)
    for name in (READING_NAME, REJECTED_NAME):
        if _sha256_of(folder / name) != fields["tables"].get(name):
            raise ValueError(
                f"{folder / name}: changed since the records were made; run tfcovid.prepare again."
            )
    table = _read_rows(folder / READING_NAME, shards)
    facts, places = table[list(FACT_TYPES)], table[list(PLACE_TYPES)]
    return RecordIndex(
        folder=folder,
        image_size=fields["image_size"],
        shards=shards,
        reading=Reading(
            rows=table[list(ROW_COLUMNS)],
            rejected=_read_rejected(folder / REJECTED_NAME),
            notes=tuple(fields["notes"]),
            root=folder,
            declared=fields["declared"],
        ),
        facts=facts,
        places=places,
    )


def _read_fields(path: pathlib.Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}): expected what tfcovid.prepare writes when "
            "it is done; run it again, it goes on where it stopped."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON. {error}.") from error
    if not isinstance(fields, Mapping) or fields.get("format") != FORMAT:
        raise ValueError(f"{path}: expected records of format {FORMAT}; run tfcovid.prepare again.")
    for name, kind in _FIELDS.items():
        # Python's true is an int, but nobody's number.
        if not isinstance(fields.get(name), kind) or isinstance(fields.get(name), bool):
            raise ValueError(
                f"{path}: {name}: expected {kind.__name__}. Received: {fields.get(name)!r}."
            )
    if fields["image_size"] < MIN_IMAGE_SIZE:
        raise ValueError(
            f"{path}: image_size: expected at least {MIN_IMAGE_SIZE}. "
            f"Received: {fields['image_size']}."
        )
    if fields["view"] != VIEW:
        raise ValueError(f"{path}: view: expected {VIEW}. Received: {fields['view']}.")
    texts = (*fields["notes"], *fields["declared"].values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{path}: notes and declared: expected text.")
    return dict(fields)


def _shards_of(fields: Mapping[str, Any], path: pathlib.Path) -> tuple[ShardFile, ...]:
    count = len(fields["shards"])
    shards = []
    for number, entry in enumerate(fields["shards"]):
        try:
            shard = ShardFile(**entry)
            good = (
                shard.file == shard_name(number, count)
                and all(type(count) is int for count in (shard.images, shard.bytes))
                and min(shard.images, shard.bytes) >= 0
                and pd.Series([shard.sha256], dtype=TEXT).str.fullmatch(_DIGEST).all()
            )
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"{path}: shards: entry {number + 1} is none. Received: {entry!r}.")
        shards.append(shard)
    total = sum(shard.images for shard in shards)
    if total != fields["images"]:
        raise ValueError(
            f"{path}: images: expected {total}, the sum over shards. Received: {fields['images']}."
        )
    return tuple(shards)


def _read_rows(path: pathlib.Path, shards: Sequence[ShardFile]) -> pd.DataFrame:
    table = read_table(path, required=tuple(_TYPES))[list(_TYPES)]
    for column in _NEVER_EMPTY:
        _refuse(table[column].isna(), table, column, "a value", path)
    inside = ~table["path"].str.contains(r"^[/\\]|^\w:|\\|(?:^|/)\.\.(?:/|$)")
    _refuse(~inside, table, "path", "a path inside the data folder, with /", path)
    known = table["finding"].isin(list(Finding)) | table["finding"].isna()
    _refuse(~known, table, "finding", f"one of {', '.join(Finding)}, or nothing", path)
    checked_pathologies(table["pathologies"], "pathologies", path)
    digest = table["sha256"].str.fullmatch(_DIGEST)
    _refuse(~digest, table, "sha256", "64 hexadecimal digits", path)
    for column in _NUMBERS:
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = table[column].notna() & ~numbers.between(0, _HIGHEST_NUMBER)
        if column != "age":
            wrong |= numbers % 1 > 0
        _refuse(wrong, table, column, f"a number from 0 to {_HIGHEST_NUMBER}", path)
        table[column] = numbers
    expected = [(number, i) for number, shard in enumerate(shards) for i in range(shard.images)]
    found = list(zip(table["shard"], table["position"], strict=True))
    if found != expected:
        raise ValueError(
            f"{path}: columns shard and position: expected the {len(expected)} places of the "
            f"shards in order. Received: {len(found)} others."
        )
    return table.astype(_TYPES)


def _read_rejected(path: pathlib.Path) -> pd.DataFrame:
    # read_table refuses a table without a row; here that is good news.
    if path.read_text(encoding="utf-8") == ",".join(REJECTED_COLUMNS) + "\n":
        return no_rejected()
    table = read_table(path, required=REJECTED_COLUMNS)[list(REJECTED_COLUMNS)]
    known = table["category"].isin(list(Category))
    _refuse(~known, table, "category", f"one of {', '.join(Category)}", path)
    return table


def _refuse(
    wrong: pd.Series, table: pd.DataFrame, column: str, expected: str, path: pathlib.Path
) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise ValueError(
            f"{path}: column {column}, row {row + 1}: expected {expected}. "
            f"Received: {table[column].fillna('(empty)').iloc[row]}."
        )


def _sha256_of(path: pathlib.Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); run tfcovid.prepare again."
        ) from error
