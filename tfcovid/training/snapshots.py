"""Snapshots of a training on disk: whole or absent, the last two kept, verified when read."""

import hashlib
import io
import json
import os
import pathlib
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

KEPT = 2
_NAME = re.compile(r"training-(\d{6})-([0-9a-f]{64})\.npz")
_PROGRESS = "progress"
PART = ".part-training.npz"
"""What a kill leaves of one that was being written; the next one is written over it."""


class Snapshots:
    """The snapshots of one training.

    A file is an .npz archive without pickles whose name carries the SHA-256 of its content, so that
    one that was damaged is known.

    Args:
      folder: where they lie; it exists.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def write(self, progress: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Writes one, then removes all but the last two.

        Args:
          progress: what `json.dump` takes.
          arrays: by name, any but "progress".

        Raises:
          OSError: if it cannot be written; those before it stay.
        """
        before = self._files()
        number = 1 + (before[-1][0] if before else 0)
        text = json.dumps(progress).encode()
        beside = self.folder / PART
        try:
            with beside.open("wb") as file:
                content: dict[str, Any] = {_PROGRESS: np.frombuffer(text, np.uint8), **arrays}
                np.savez(file, **content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.folder / f"training-{number:06d}-{_sha256(beside)}.npz")
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync(self.folder)
        for _, path in self._files()[:-KEPT]:
            path.unlink()

    def newest(
        self, tell: Callable[[str], None]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Returns progress and arrays of the newest snapshot that is whole, or None.

        Args:
          tell: called with a line for each one that is damaged.
        """
        for _, path in reversed(self._files()):
            found = _read(path)
            if found is not None:
                return found
            tell(f"{path}: damaged, its content is not what was written; going on from before it")
        return None

    def clear(self) -> None:
        """Removes all of them."""
        for _, path in self._files():
            path.unlink()

    def _files(self) -> list[tuple[int, pathlib.Path]]:
        found = ((_NAME.fullmatch(path.name), path) for path in self.folder.glob("training-*.npz"))
        return sorted((int(match[1]), path) for match, path in found if match)


def _read(path: pathlib.Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    match = _NAME.fullmatch(path.name)
    content = path.read_bytes()
    if match is None or hashlib.sha256(content).hexdigest() != match[2]:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            arrays = dict(kept)
        progress = json.loads(arrays.pop(_PROGRESS).tobytes())
    except (ValueError, KeyError, zipfile.BadZipFile):
        return None
    return progress, arrays


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: pathlib.Path) -> None:
    """Makes the names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
