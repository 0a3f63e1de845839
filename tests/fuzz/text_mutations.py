"""Changes of tables, JSON and lists of flags: cell by cell, value by value, line by line."""

import csv
import io
import json
import random
from typing import Any

from tests.fuzz.mutations import Mutation

WORDS = (
    *("", " ", "NA", "nan", "None", "-1", "0", "1e400", "-0", "1e-400", "999999999999999999999"),
    *("0x10", "1_000", "٣", "½", "True", "2020-13-45", "../../etc/passwd", "/etc/passwd", "..\\x"),
    *("C:\\x", ".", "..", "a/../b", "CON", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "<script>"),
    *('"', '""', "'", ",", ";", "\n", "\r", "a\nb", "\t", "\0", "\x1b[31m", "\u202e", "\ufeff"),
    *(
        "\u2028",
        "é",
        "e\u0301",
        "\U0001d538",
        "x" * 5000,
        "|",
        "Normal|Normal",
        "{0}",
        "%s",
        "${HOME}",
    ),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, 1e308, float("inf"), float("nan"), 10**30, 2**31, 2**63),
    *("", "x", "..", "\ud800", "\0", "\x1b[31m", [], {}, [[]], [None], {"": None}, [[[[1]]]]),
    *([1] * 100, {"x": {"x": {"x": {}}}}),
)
_MOST_COLUMNS = 400


def table_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes a cell, the header, a row or a column of a CSV file and writes it again."""
    rows = list(_rows(content))
    if not rows:
        return content
    row = rng.choice(rows)
    column = rng.randrange(max(len(row), 1))
    change = rng.choice(
        ("cell", "cell", "cell", "header", "longer", "shorter", "row", "column", "swap")
    )
    if change == "cell" and row:
        row[column] = rng.choice((*WORDS, rng.choice(rng.choice(rows) or [""])))
    elif change == "header" and rows[0]:
        rows[0][rng.randrange(len(rows[0]))] = rng.choice((*WORDS, *rows[0]))
    elif change == "longer":
        row += [rng.choice(WORDS)] * rng.choice((1, 2, _MOST_COLUMNS))
    elif change == "shorter":
        del row[rng.randrange(len(row) + 1) :]
    elif change == "row":
        rows.insert(rng.randrange(len(rows)), list(row) if rng.random() < 0.7 else [])
    elif change == "column":
        for cells in rows:
            del cells[column : column + 1]
    elif change == "swap":
        other = rng.randrange(len(row) or 1)
        for cells in rows:
            if max(column, other) < len(cells):
                cells[column], cells[other] = cells[other], cells[column]
    text = io.StringIO()
    csv.writer(text, lineterminator=rng.choice(("\n", "\n", "\r\n", "\r"))).writerows(rows)
    encoding = rng.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "latin-1"))
    return text.getvalue().encode(encoding, "replace")


def _rows(content: bytes) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))
    except csv.Error:
        return []


def json_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes, removes or adds a value somewhere in a JSON text."""
    try:
        whole = {"": json.loads(content)}
    except (ValueError, RecursionError):
        return content
    places = list(_places(whole))
    inside, key = rng.choice(places)
    change = rng.choice(("value", "value", "value", "other", "gone", "key", "deep"))
    if change == "value":
        inside[key] = rng.choice(VALUES)
    elif change == "other":
        other, at = rng.choice(places)
        inside[key] = json.loads(json.dumps(other[at]))
    elif change == "gone" and inside is not whole:
        del inside[key]
    elif change == "key" and isinstance(inside, dict) and inside is not whole:
        inside[rng.choice(WORDS)] = inside.pop(key)
    elif change == "deep":
        depth = rng.choice((3, 100, 100_000))
        at = rng.randrange(len(content) + 1)
        return content[:at] + b"[" * depth + b"]" * depth + content[at:]
    return json.dumps(whole.get(""), indent=rng.choice((None, 1))).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Returns (container, key) of every value below one."""
    found, todo = [], [value]
    while todo:
        container = todo.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                todo.append(container[key])
    return found


def lines_changed(content: bytes, rng: random.Random) -> bytes:
    """Changes the value of a line --name=value, its name, or its place."""
    lines = content.decode("utf-8", "replace").split("\n")
    at = rng.randrange(len(lines))
    name, _, value = lines[at].partition("=")
    change = rng.choice(("value", "value", "name", "twice", "gone", "joined"))
    if change == "value":
        lines[at] = f"{name}={rng.choice((*WORDS, value * 2))}"
    elif change == "name":
        lines[at] = f"{rng.choice((*WORDS, '--flagfile', '--help', '--', '#'))}={value}"
    elif change == "twice":
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif change == "gone":
        del lines[at]
    else:
        lines[at] = lines[at] + rng.choice(lines)
    return "\n".join(lines).encode("utf-8", "replace")


TABLE_MUTATIONS: tuple[Mutation, ...] = (table_changed,)
JSON_MUTATIONS: tuple[Mutation, ...] = (json_changed,)
LINE_MUTATIONS: tuple[Mutation, ...] = (lines_changed,)
TEXT_TOKENS = tuple(word.encode("utf-8", "replace") for word in WORDS if len(word) < 100)
