"""Snapshots of a training on disk: whole or absent, the last two kept, verified when read."""

import json
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfcovid.array_file import read_arrays
from tfcovid.whole_file import sha256_of

KEPT = 2
_NAME = re.compile(r"training-(\d{6})-([0-9a-f]{64})\.npz")
_PROGRESS = "progress"
PART = ".part-training.npz"
"""What a kill leaves of one that was being written; the next one is written over it."""


class Snapshots:
    """The snapshots of one training.

    A file is an .npz archive without pickles whose name carries the SHA-256 of its content, so that
    one that was damaged is known. A snapshot may need other files, whose names carry theirs too.

    Args:
      folder: where they lie; it exists.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._needs: dict[int, list[str]] = {}

    @property
    def needed(self) -> set[str]:
        """Names of the files that the kept snapshots need."""
        return {name for names in self._needs.values() for name in names}

    def write(
        self,
        progress: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        *,
        needs: Sequence[str] = (),
    ) -> None:
        """Writes one, then removes all but the last two.

        Args:
          progress: what `json.dump` takes.
          arrays: by name, any but "progress".
          needs: names of files in the folder without which it is worth nothing; each ends in its
            SHA-256 before the suffix.

        Raises:
          OSError: if it cannot be written; those before it stay.
        """
        before = self._files()
        number = 1 + (before[-1][0] if before else 0)
        text = json.dumps({"needs": list(needs), "progress": progress}).encode()
        beside = self.folder / PART
        try:
            with beside.open("wb") as file:
                content: dict[str, Any] = {_PROGRESS: np.frombuffer(text, np.uint8), **arrays}
                np.savez(file, **content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.folder / f"training-{number:06d}-{sha256_of(beside)}.npz")
        except BaseException as error:
            beside.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(self.folder)  # of a write, Python tells only what went wrong
            raise
        _sync(self.folder)
        self._needs[number] = list(needs)
        for old, path in self._files()[:-KEPT]:
            path.unlink()
            self._needs.pop(old, None)

    def newest(
        self, tell: Callable[[str], None]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Returns progress and arrays of the newest snapshot that is whole, or None.

        Those that are not are removed.

        Args:
          tell: called with a line for each one that is damaged.
        """
        newest = None
        for number, path in reversed(self._files()):
            try:
                progress, arrays, self._needs[number] = self._read(path)
            except ValueError as error:
                tell(f"{error}: damaged, its content is not what was written; it is passed over")
                path.unlink()
                continue
            newest = newest or (progress, arrays)
        return newest

    def newest_path(self) -> pathlib.Path | None:
        """Returns where the newest one lies, or None."""
        return max((path for _, path in self._files()), default=None)

    def clear(self) -> None:
        """Removes all of them."""
        for _, path in self._files():
            path.unlink()
        self.folder.joinpath(PART).unlink(missing_ok=True)
        self._needs.clear()

    def _read(self, path: pathlib.Path) -> tuple[dict[str, Any], dict[str, np.ndarray], list[str]]:
        """Returns progress, arrays and needs; raises ValueError with the path that is damaged."""
        if not carries_digest(path):
            raise ValueError(path)
        try:
            arrays = read_arrays(path)
            text = json.loads(arrays.pop(_PROGRESS).tobytes())
            progress, needs = text["progress"], text["needs"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise ValueError(path) from None
        # What lies elsewhere is none of the folder's, whatever its name says.
        for name in needs:
            if pathlib.PurePath(name).name != name or not carries_digest(self.folder / name):
                raise ValueError(self.folder / name)
        return progress, arrays, needs

    def _files(self) -> list[tuple[int, pathlib.Path]]:
        found = ((_NAME.fullmatch(path.name), path) for path in self.folder.glob("training-*.npz"))
        return sorted((int(match[1]), path) for match, path in found if match)


def carries_digest(path: pathlib.Path) -> bool:
    """Returns whether a file is there whose name ends in the SHA-256 of its content."""
    return path.is_file() and path.stem.endswith(f"-{sha256_of(path)}")


def _sync(folder: pathlib.Path) -> None:
    """Makes the names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
