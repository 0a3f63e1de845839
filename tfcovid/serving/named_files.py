"""The files that a command line names, directly and by a pattern."""

import collections
import glob
import os
import re
from collections.abc import Iterator, Sequence

_ANY_FOLDER = re.compile(r"(?:^|(?<=/))\*\*(?:/|$)")


def named_files(arguments: Sequence[str], pattern: str | None) -> list[str]:
    """Returns the files named directly and then those that a pattern matches, each name once.

    Args:
      arguments: names, in their order; what is wrong with one is for its reader to tell.
      pattern: such as 'folder/**/*.png', or None. Folders that it matches are no files; one that
        links lead to again counts once.

    Raises:
      ValueError: if there are none.
      OSError: if a folder below a ** cannot be read.
    """
    matched = sorted(_matched(pattern)) if pattern else []
    files = list(dict.fromkeys([*arguments, *matched]))
    if not files:
        asked = f"--pattern={pattern} matches no file" if pattern else "no image was named"
        raise ValueError(f"{asked}: expected image files, or --pattern='folder/*.png'")
    return files


def _matched(pattern: str) -> Iterator[str]:
    """Yields the files that a pattern matches.

    glob's own ** goes into a link to a folder above forty times, and into two of them 2**40 times.
    """
    any_folder = _ANY_FOLDER.search(pattern)
    if any_folder is None:
        # Path.glob takes no absolute patterns.
        for path in glob.glob(pattern):  # noqa: PTH207
            if not os.path.isdir(path):  # noqa: PTH112
                yield path
        return
    top, below = pattern[: any_folder.start()], pattern[any_folder.end() :] or "*"
    for start in glob.glob(top) if top else [""]:  # noqa: PTH207
        for folder in _folders(start):
            yield from _matched(os.path.join(glob.escape(folder), below))  # noqa: PTH118


def _folders(start: str) -> Iterator[str]:
    """Yields a folder and those below it, hidden ones excepted, each by its shortest path."""
    waiting, seen = collections.deque([start]), {_identity(os.stat(start or "."))}  # noqa: PTH116
    while waiting:
        folder = waiting.popleft()
        yield folder
        with os.scandir(folder or ".") as entries:
            found = sorted((entry for entry in entries if entry.is_dir()), key=lambda e: e.name)
        for entry in found:
            identity = _identity(entry.stat())
            if identity not in seen and not entry.name.startswith("."):
                seen.add(identity)
                waiting.append(os.path.join(folder, entry.name))  # noqa: PTH118


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
