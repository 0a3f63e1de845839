"""Files that are there whole or not at all, and the digest that tells."""

import contextlib
import hashlib
import pathlib
import shutil
import uuid
from collections.abc import Iterator

PART_PREFIX = ".part-"


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a place beside path to write to, and moves it to path when all went well.

    Args:
      path: the file or folder to make; its parent exists. An existing file is
        replaced in one step; an existing folder that is not empty is an error.

    Yields:
      Where to write; it keeps the suffix, which some writers go by.

    Raises:
      OSError: if the place cannot be written or path is a folder with content;
        nothing is left behind, and what stood at path still stands.
    """
    beside = path.with_name(f"{PART_PREFIX}{path.name}")
    _remove(beside)  # what a kill left
    try:
        yield beside
        beside.replace(path)
    except BaseException as error:
        _remove(beside)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # of a write, Python tells only what went wrong
        raise


@contextlib.contextmanager
def unique_whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a place beside path to write to, of a name of its own, and moves it when all went well.

    A runner on many machines may do the same piece of work twice at a time: with one name for
    both, as `whole_file` has, they would write into each other.
    """
    beside = path.with_name(f"{PART_PREFIX}{uuid.uuid4().hex}-{path.name}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text_whole(path: pathlib.Path, text: str) -> None:
    """Writes a UTF-8 text file whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def sha256_of(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file's content, lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
