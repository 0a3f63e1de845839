"""What a run prints last: its figures, what to doubt about them, and where the files are.

Everything is ASCII, but for names that came from outside, and fits 80 columns; paths and
commands are never broken, so that they can be copied.
"""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import rich.padding
import rich.table
from rich.console import Console
from rich.text import Text

from tfcovid.report import heat_words, words
from tfcovid.report.interval_words import interval_legend

MAX_WIDTH = 100
INDENT = 2
# What a confusion matrix may take before its columns are numbered instead of named.
MATRIX_WIDTH = 76


def print_result(
    console: Console,
    metrics: Mapping[str, Any],
    run_folder: pathlib.Path,
    *,
    files: Mapping[str, str] | None = None,
) -> None:
    """Prints the result of a run, or of an evaluation.

    Args:
      console: where to; without a terminal there are no colours.
      metrics: the content of metrics.json.
      run_folder: the run's folder.
      files: what to say of the files, by name; None for those of a whole run.
    """
    heading(console, title(metrics))
    show(console, _headline(metrics))
    if drop := words.drop_sentence(metrics):
        show(console, Text(drop, "bold"))
    _print_controls(console, metrics)
    print_heat(console, metrics)
    _print_members(console, metrics)
    heading(console, "Each class against the rest")
    show(console, _class_table(metrics))
    _print_legend(console, metrics)
    if "at_prevalence" in metrics:
        show(console, Text(words.prevalence_sentence(metrics), "bold"))
    heading(console, "Confusion matrix (rows: truth, columns: decision)")
    show(console, confusion_table(metrics["classes"], metrics["confusion_matrix"]))
    notes = words.all_notes(metrics)
    if notes:
        heading(console, "Read this before the number")
        show(console, note_list(notes))
    print_files(console, run_files(run_folder) if files is None else files)


def title(metrics: Mapping[str, Any]) -> str:
    """Returns what was scored, in one line."""
    view = "" if metrics["view"] == "full" else f", view {metrics['view']}"
    view += ", cropped to the lungs" * (metrics.get("preprocessing") == "lung_crop")
    where = metrics["split"] if " " in metrics["split"] else f"{metrics['split']} split"
    if "folds" in metrics:
        where = f"each image tested once, in {metrics['folds']} folds"
    return (
        f"{metrics['task']}, {where}: "
        f"{words.counted(metrics['n_images'], 'image')} of "
        f"{words.counted(metrics['n_patients'], 'patient')}{view}"
    )


def _headline(metrics: Mapping[str, Any]) -> rich.table.Table:
    rows = table()
    for key, name in words.HEADLINE.items():
        style = "bold cyan" if key == "balanced_accuracy" else ""
        found = words.interval(metrics["intervals"].get(key))
        rows.add_row(
            Text(name, style), Text(words.number(metrics[key], 3), style), Text(found, "dim")
        )
    return rows


def _print_controls(console: Console, metrics: Mapping[str, Any]) -> None:
    if not metrics["controls"]:
        show(console, Text(f"\n{words.NO_CONTROLS}", "yellow"))
        _print_sentences(console, words.inside_sentences(metrics))
        return
    heading(console, "Controls: balanced accuracy on the same images")
    rows = table("sees only", "", "", "model above it by", "")
    for control in metrics["controls"].values():
        above = control["above"]
        rows.add_row(
            Text(words.control_label(control)),
            Text(words.number(control["balanced_accuracy"])),
            Text(words.interval(control.get("interval")), "dim"),
            Text(f"{above['difference']:+.2f}"),
            Text(words.interval(above, dash=" to "), "dim"),
        )
    show(console, rows)
    show(console, Text(words.left_sentence(metrics), "bold"))
    _print_sentences(console, [*words.source_sentences(metrics), *words.inside_sentences(metrics)])


def print_heat(console: Console, metrics: Mapping[str, Any]) -> None:
    """Prints how much of the heat lies inside the lungs' box, where there are heat maps."""
    if sentence := heat_words.heat_sentence(metrics):
        show(console, Text(sentence))


def _print_members(console: Console, metrics: Mapping[str, Any]) -> None:
    if "members" not in metrics:
        return
    heading(console, "Each member alone: balanced accuracy on the same images")
    members = table("member", "", "", "ensemble above it by", "")
    for name, member in metrics["members"].items():
        above = member["above"]
        members.add_row(
            Text(name),
            Text(words.number(member["balanced_accuracy"])),
            Text(words.interval(member["interval"]), "dim"),
            Text(f"{above['difference']:+.2f}"),
            Text(words.interval(above, dash=" to "), "dim"),
        )
    show(console, members)
    show(console, Text(words.members_sentence(metrics), "bold"))


def _print_sentences(console: Console, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        show(console, Text(sentence))


def _class_table(metrics: Mapping[str, Any]) -> rich.table.Table:
    """Returns two lines a class: the figures, and beneath them their intervals."""
    rows = table("", "", "recall", "precision", "specif.", "F1", "AUROC")
    for name, figures in metrics["per_class"].items():
        ends = {
            key: words.interval(metrics["intervals"].get(f"per_class.{name}.{key}"))
            for key in ("recall", "auroc")
        }
        values = (figures[key] for key in ("recall", "precision", "specificity", "f1", "auroc"))
        rows.add_row(
            Text(name, "bold"),
            Text(words.counted(figures["n_images"], "image")),
            *(Text(words.number(value)) for value in values),
        )
        rows.add_row(
            "",
            Text(words.counted(figures["n_patients"], "patient"), "dim"),
            *(Text(text, "dim") for text in (ends["recall"], "", "", "", ends["auroc"])),
        )
    return rows


def _print_legend(console: Console, metrics: Mapping[str, Any]) -> None:
    legend = interval_legend(metrics, words.HEADLINE)
    if legend:
        show(console, Text(legend, "dim"))
    if words.has_few(metrics):
        show(console, Text(f"{words.FEW_MARK} {words.FEW_WORDS}.", "yellow"))


def confusion_table(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> rich.table.Table:
    """Returns the matrix; its columns are numbered where their names would not fit."""
    columns = [max(len(name), 6) + INDENT for name in classes]
    named = max(map(len, classes)) + sum(columns) <= MATRIX_WIDTH
    numbered = [f"{i} {name}" for i, name in enumerate(classes, start=1)]
    heads = classes if named else [str(i) for i in range(1, len(classes) + 1)]
    rows = table("", *heads)
    for i, counts in enumerate(matrix):
        cells = [Text(str(n), "bold" if i == j else "") for j, n in enumerate(counts)]
        rows.add_row(Text(classes[i] if named else numbered[i]), *cells)
    return rows


def note_list(notes: Sequence[str]) -> rich.table.Table:
    """Returns the notes as a table, a mark before each."""
    table = rich.table.Table.grid(padding=(0, 1))
    for note in notes:
        table.add_row(Text("!", "bold yellow"), Text(note))
    return table


def run_files(run_folder: pathlib.Path) -> dict[str, str]:
    """Returns where a run's files are, and the commands that use them."""
    model = run_folder / "saved_model"
    return {
        "report": str(run_folder / "report.html"),
        "model": str(model),
        "predict": shlex.join(["python", "-m", "tfcovid.predict", f"--model={model}"]) + " FILE...",
        "curves": shlex.join(["tensorboard", "--logdir", str(run_folder / "tensorboard")]),
    }


def print_files(console: Console, files: Mapping[str, str]) -> None:
    """Prints where files are; paths and commands are never broken."""
    heading(console, "Files")
    for name, line in files.items():
        console.print(Text.assemble(" " * INDENT, (f"{name:<12}", "dim"), line), soft_wrap=True)


def table(*heads: str) -> rich.table.Table:
    """Returns an empty table: names to the left, figures to the right, no lines."""
    table = rich.table.Table(
        box=None,
        show_header=bool(heads),
        header_style="dim",
        padding=(0, INDENT, 0, 0),
        pad_edge=False,
    )
    for i, head in enumerate(heads or ("", "", "")):
        # A Text, for a str would be read as markup.
        table.add_column(Text(head), justify="right" if i else "left", no_wrap=i > 0)
    return table


def heading(console: Console, text: str) -> None:
    """Prints a heading, an empty line above it."""
    console.print()
    console.print(Text(text, "bold"), width=MAX_WIDTH)


def show(console: Console, content: rich.table.Table | Text) -> None:
    """Prints a table or a text, indented."""
    console.print(rich.padding.Padding(content, (0, 0, 0, INDENT)), width=MAX_WIDTH)
