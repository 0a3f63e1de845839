"""Looks at flag files before absl reads them: it would read a device without an end."""

import pathlib
from collections.abc import Iterable, Iterator, Sequence

_DIRECTIVES = ("--flagfile", "-flagfile")
# The longest preset has 2 kB.
MOST_BYTES = 1 << 20


def refuse_unreadable(arguments: Sequence[str]) -> None:
    """Raises ValueError if a flag file, or one that it names, is no text of a sensible length.

    One that is not there is left to absl, which says so.

    Args:
      arguments: of the command line.
    """
    todo, seen = list(_named_by(arguments)), set()
    while todo:
        name = todo.pop()
        path = pathlib.Path(name).expanduser()
        if name in seen or "\0" in name or not _is_there(path):
            continue
        seen.add(name)
        if not path.is_file():
            raise ValueError(f"--flagfile={name}: expected a text file, it is a device or a pipe")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(
                f"--flagfile={name}: expected a text file of at most {MOST_BYTES:,} bytes. "
                f"Received: {path.stat().st_size:,} bytes."
            )
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"--flagfile={name}: expected UTF-8 text, byte {error.start} is not"
            ) from error
        todo += _named_by(word for line in lines for word in line.split(maxsplit=1))


def _is_there(path: pathlib.Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # a name too long for any file
        return False


def _named_by(words: Iterable[str]) -> Iterator[str]:
    """Yields the names behind --flagfile, in the word itself or in the one after it."""
    follows = False
    for word in words:
        directive, equals, name = word.partition("=")
        if follows or (directive in _DIRECTIVES and equals):
            yield (word if follows else name).strip()
        follows = not follows and word in _DIRECTIVES
