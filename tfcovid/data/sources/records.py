"""Reads a folder that `python -m tfcovid.prepare` wrote as the data set it was made from."""

import dataclasses
import os
import pathlib

from tfcovid.data.record_index import INDEX_NAME, read_index
from tfcovid.data.sources.options import SourceOptions
from tfcovid.data.sources.reading import Reading


def recognise(root: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds finished records, by the name of their index."""
    return (pathlib.Path(root) / INDEX_NAME).is_file()


def read(root: str | os.PathLike[str], options: SourceOptions) -> Reading:
    """Returns what the reader of the original data set found, less the files that were bad.

    Paths are those of the original data set; no image file lies there. The pixels come from
    `records.RecordSquares`.

    Args:
      root: the folder with `records.json`.
      options: none may be given: what they say is part of the records.

    Raises:
      ValueError: if the folder does not hold whole records, or an option is given.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value:
            raise ValueError(
                f"--{field.name} with {root}, which holds records: what it says is part of them; "
                f"give --{field.name} to tfcovid.prepare"
            )
    index = read_index(root)
    return dataclasses.replace(index.reading, facts=index.facts)
