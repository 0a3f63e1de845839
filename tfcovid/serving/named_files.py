"""The files that a command line names, directly and by a pattern."""

import collections
import functools
import glob
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence

ANY_FOLDERS = "**"


def named_files(
    arguments: Sequence[str], pattern: str | None, *, warn: Callable[[str], None]
) -> list[str]:
    """Returns the files named directly and then those that a pattern matches, each name once.

    Args:
      arguments: names, in their order; what is wrong with one is for its reader to tell, but how
        the images of a folder are named.
      pattern: such as 'folder/**/*.png', or None. Folders that it matches are no files. What is
        below a ** counts once, whatever links lead to it again.
      warn: takes a line for each folder below a ** that cannot be read, and for each that is named.

    Raises:
      ValueError: if there are none, or nothing but folders.
    """
    matched = [] if pattern is None else _matched(pattern.split("/"), warn)
    if pattern and ANY_FOLDERS in pattern.split("/"):
        matched = _each_once(matched)
    files = list(dict.fromkeys([*arguments, *sorted(matched)]))
    folders = [name for name in arguments if _is_folder(name)]
    if files and set(files) == set(folders):
        raise ValueError(_by_pattern(folders[0]))
    for folder in folders:
        warn(_by_pattern(folder))
    if not files:
        asked = f"--pattern={pattern} matches no file" if pattern else "no image was named"
        raise ValueError(f"{asked}: {_expected(pattern or '')}")
    return files


def _by_pattern(folder: str) -> str:
    """Returns how the images of a folder are named that stands where a file is expected."""
    below = f"{glob.escape(folder.rstrip('/'))}/*.png"
    return f"{folder} is a folder, expected image files: --pattern={shlex.quote(below)} names them"


def _expected(pattern: str) -> str:
    """Returns what to write for a pattern that matches nothing."""
    if pattern and _is_folder(pattern):
        return _by_pattern(pattern)
    if os.path.lexists(pattern):
        return (
            "there is a file of that name, but in a pattern [ is written [[]; expected "
            f"--pattern={shlex.quote(glob.escape(pattern))}, or the file without --pattern"
        )
    return "expected image files, or --pattern='folder/*.png'"


def _matched(parts: Sequence[str], warn: Callable[[str], None]) -> Iterator[str]:
    """Yields the files that a pattern matches, given as the parts between its slashes.

    glob's own ** goes into a link to a folder above forty times, and into two of them 2**40 times.
    """
    if ANY_FOLDERS not in parts:
        # Path.glob takes no absolute patterns.
        for path in glob.glob("/".join(parts)):  # noqa: PTH207
            if not _is_folder(path):
                yield path
        return
    place = parts.index(ANY_FOLDERS)
    top, below = "/".join(parts[:place]), list(parts[place + 1 :])
    while len(below) > 1 and below[0] in ("", ANY_FOLDERS):
        below.pop(0)  # a slash or a ** too many
    if not below or below == [ANY_FOLDERS]:
        below = ["*"]
    starts = glob.glob(top or "/") if place else [""]  # noqa: PTH207
    for start in filter(_is_folder, starts):
        for folder in _folders(start, warn):
            above = [glob.escape(folder.rstrip("/"))] if folder else []
            yield from _matched([*above, *below], warn)


def _folders(start: str, warn: Callable[[str], None]) -> Iterator[str]:
    """Yields a folder and those below it, hidden ones excepted, each by its shortest path."""
    waiting, seen = collections.deque([start]), {_identity(start)}
    while waiting:
        folder = waiting.popleft()
        try:
            with os.scandir(folder or ".") as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            place = folder or os.curdir
            warn(f"{place} cannot be read ({error.strerror}): what is in it is left out")
            continue
        yield folder
        # Before a link to a folder the folder itself.
        for entry in sorted(visible, key=lambda entry: (entry.is_symlink(), entry.name)):
            path = os.path.join(folder, entry.name)  # noqa: PTH118
            if _is_folder(path) and (identity := _identity(path)) not in seen:
                seen.add(identity)
                waiting.append(path)


def _each_once(paths: Iterable[str]) -> Iterator[str]:
    """Yields of the paths to one place the shortest; a link to a file is a place of its own."""
    identity_of = functools.cache(_identity)
    seen = set()
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        folder, name = os.path.split(path)
        place = (identity_of(folder), name)
        if place not in seen:
            seen.add(place)
            yield path


def _is_folder(path: str) -> bool:
    return os.path.isdir(path or ".")  # noqa: PTH112


def _identity(folder: str) -> tuple[int, int] | None:
    """Returns what tells a folder from others by whatever path, or None of one that is gone."""
    try:
        status = os.stat(folder or ".")  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
