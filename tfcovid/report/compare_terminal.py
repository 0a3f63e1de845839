"""What a comparison prints last: both tables, how to read them, and where the files are."""

import pathlib
from collections.abc import Mapping
from typing import Any

import rich.table
from rich.console import Console
from rich.text import Text

from tfcovid.report import compare_tables, words

# Of the differences so many rows are printed, the smallest p-values first; the page has them all.
SHOWN = 24


def print_comparison(console: Console, content: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Prints the result of a comparison.

    Args:
      console: where to.
      content: of compare.json.
      folder: where its files are.
    """
    fixed = ", ".join(f"{k} {v}" for k, v in compare_tables.fixed_factors(content).items())
    _heading(console, compare_tables.title_of(content) + (f" ({fixed})" if fixed else ""))
    console.print(_figures(content))
    if content["differences"]:
        _heading(console, "Differences on the same images, smallest p first (Holm over all)")
        console.print(_differences(content))
    _heading(console, "How to read this")
    for sentence in compare_tables.reading_help(content):
        console.print(Text(f"- {sentence}"))
    _heading(console, "Read this before the numbers")
    for note in content["notes"]:
        console.print(Text(f"! {note}"))
    for name in ("compare.html", "compare.csv", "differences.csv", "compare.tex", "compare.json"):
        console.print(Text(f"{name}: {folder / name}"), soft_wrap=True)


def _figures(content: Mapping[str, Any]) -> rich.table.Table:
    varied = compare_tables.varied_factors(content)
    table = _table(*varied, "balanced acc.", "seeds", "sens.", "prec.", "AUROC", left=len(varied))
    for row in compare_tables.figure_rows(content):
        found = row["figures"]
        table.add_row(
            *(Text(row[factor]) for factor in varied),
            _with_interval(*found["balanced_accuracy"]),
            Text(words.interval(dict(zip(("low", "high"), row["seeds"], strict=True))), "dim"),
            *(_with_interval(*found[key]) for key in ("recall", "precision", "auroc")),
        )
    for control in content["controls"]:
        names = [control[f] if f in ("task", "setting") else "" for f in varied]
        names[-1] = control["name"]
        cell = _with_interval(control["balanced_accuracy"], control["interval"])
        table.add_row(*(Text(name, "yellow") for name in names), cell, "", "", "", "")
    return table


def _differences(content: Mapping[str, Any]) -> rich.table.Table:
    varied = [f for f in compare_tables.varied_factors(content) if f != "task"]
    table = _table("difference", "task", *varied, "figure", "", "p", "p Holm", left=3 + len(varied))
    rows = sorted(compare_tables.difference_rows(content), key=lambda row: row["p_value"])
    for row in rows[:SHOWN]:
        style = "bold" if row["told_apart"] else ""
        table.add_row(
            Text(row["pair"], style),
            Text(row["task"]),
            *(Text(row.get(factor, "")) for factor in varied),
            Text(row["figure"]),
            Text(f"{row['difference']:+.3f} ({row['low']:+.2f} to {row['high']:+.2f})", style),
            Text(compare_tables.p_words(row["p_value"])),
            Text(compare_tables.p_words(row["p_holm"]), style),
        )
    return table


def _with_interval(value: float | None, interval: Mapping[str, Any] | None) -> Text:
    """Returns two lines: the figure, and beneath it its interval."""
    return Text.assemble(words.number(value, 3), "\n", (words.interval(interval), "dim"))


def _table(*heads: str, left: int) -> rich.table.Table:
    table = rich.table.Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    for i, head in enumerate(heads):
        # Folded, for a name that is cut off may be two systems'.
        table.add_column(
            Text(head),
            justify="left" if i < left else "right",
            no_wrap=i >= left,
            overflow="fold",
        )
    return table


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold"))
