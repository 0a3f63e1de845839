"""Reads a folder that `python -m tfcovid.prepare` wrote as the data set it was made from."""

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

    Paths are those of the original data set; no image file lies there. The squares come from
    `records.RecordSquares`, the facts of the files from `record_index.read_index`.

    Args:
      root: the folder with `records.json`.
      options: `patients` must be None: patients are part of the records.

    Raises:
      ValueError: if the folder does not hold whole records, or `options.patients` is given.
    """
    if options.patients is not None:
        raise ValueError(
            f"--patients={options.patients}: {root} holds records, which bring their patients; "
            "give the table to tfcovid.prepare."
        )
    return read_index(root).reading
