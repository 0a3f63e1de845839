"""What a reader makes of an input, in words that inputs with the same fate share."""

import re
from collections.abc import Callable

from tfcovid.printable import MOST_CHARACTERS, one_line

_SHOWN = 90

READ = "read"


class UnclearError(Exception):
    """An error of a reader that leaves its user without help."""


def set_aside(reason: str) -> str:
    """Returns the outcome of an input that is listed with a reason, while the work goes on."""
    return f"set aside: {checked(reason)}"


def outcome_of(
    read: Callable[[bytes], str],
    content: bytes,
    refusals: tuple[type[Exception], ...],
    names: str | None = None,
) -> str:
    """Returns what becomes of an input.

    Args:
      read: gives an outcome, or raises.
      content: the input.
      refusals: the errors with which a reader may refuse.
      names: what the message of an error has to hold, such as the file's name.

    Raises:
      UnclearError: if a message is empty, or does not name the file where it is shown.
      Exception: whatever else the reader raised; that is a finding.
    """
    try:
        return read(content)
    except refusals as error:
        text = one_line(str(error))
        if names is not None and names not in text:
            raise UnclearError(f"does not name {names}: {type(error).__name__}: {text}") from error
        return f"refused: {checked(text)}"


def checked(text: str) -> str:
    """Returns a message without what differs between two inputs of one fate.

    Raises:
      UnclearError: if it is empty, or longer than anyone reads.
    """
    if not text.strip() or len(text) > MOST_CHARACTERS + 2:
        raise UnclearError(f"{len(text)} characters: {text[:200]!r}")
    text = " ".join(text.split())
    text = re.sub(r"(Received:|Received|got|found|beginning|begins with|holds) .*", r"\1 …", text)
    text = re.sub(r"'[^']*'|\"[^\"]*\"|\([^)]*\)", "…", text)
    text = re.sub(r"\S*/\S*", "…", text)
    text = re.sub(r"\d[\d,.]*", "N", text)
    return text.encode("ascii", "replace").decode().replace("?", ".")[:_SHOWN].strip()
