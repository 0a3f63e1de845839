"""Text that others wrote, such as a file's name, made safe to show in a terminal."""

MOST_CHARACTERS = 2000


def printable(text: str) -> str:
    r"""Returns text in which what is no visible character is written as Python writes it.

    Line breaks stay. A name may hold the escape sequences of a terminal, which move its cursor and
    change its title; marks that turn the direction of writing round, so that `gnp.exe` is read as
    `exe.png`; and halves of characters, where its bytes are no UTF-8, which cannot be printed.

    Args:
      text: any, such as "a\x1b[2J.png", which becomes "a\\x1b[2J.png".
    """
    if all(character.isprintable() or character == "\n" for character in text):
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _escaped(character)
        for character in text
    )


def one_line(text: str) -> str:
    """Returns text as one line that can be printed, cut where nobody would read on."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]} …"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
