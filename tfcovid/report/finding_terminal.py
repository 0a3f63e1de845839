"""What a run of findings prints last: a line a finding, what to doubt, where the files are."""

import pathlib
from collections.abc import Mapping
from typing import Any

import rich.table
from rich.console import Console
from rich.text import Text

from tfcovid.report import finding_words, words
from tfcovid.report.interval_words import interval_legend
from tfcovid.report.terminal import (
    confusion_table,
    heading,
    note_list,
    print_files,
    print_heat,
    run_files,
    show,
    table,
    title,
)


def print_findings(
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
    for sentence in (
        finding_words.drop_sentence(metrics),
        finding_words.diagnosis_sentence(metrics),
    ):
        if sentence:
            show(console, Text(sentence, "bold"))
    _print_controls(console, metrics)
    print_heat(console, metrics)
    heading(console, "Each finding against its absence, where it is known")
    show(console, _finding_table(metrics))
    show(console, Text(interval_legend(metrics, finding_words.HEADLINE), "dim"))
    diagnosis = metrics.get("diagnosis")
    if diagnosis is not None:
        heading(console, "Confusion matrix of the classes (rows: truth, columns: decision)")
        show(console, confusion_table(diagnosis["classes"], diagnosis["confusion_matrix"]))
    notes = words.all_notes(metrics)
    if notes:
        heading(console, "Read this before the number")
        show(console, note_list(notes))
    print_files(console, run_files(run_folder) if files is None else files)


def _headline(metrics: Mapping[str, Any]) -> rich.table.Table:
    rows = table()
    for row in finding_words.headline_rows(metrics):
        rows.add_row(
            Text(row["name"]),
            Text(words.number(row["value"], 3)),
            Text(words.interval(row["interval"]), "dim"),
        )
    return rows


def _print_controls(console: Console, metrics: Mapping[str, Any]) -> None:
    if metrics["controls"]:
        heading(console, "Controls: mean AUROC on the same images")
        rows = table("sees only", "", "", "model above it by", "")
        for control in metrics["controls"].values():
            above = control["above"]
            rows.add_row(
                Text(words.control_label(control)),
                Text(words.number(control["mean_auroc"])),
                Text(words.interval(control["interval"]), "dim"),
                Text("" if above is None else f"{above['difference']:+.2f}"),
                Text(words.interval(above, dash=" to "), "dim"),
            )
        show(console, rows)
    show(console, Text(finding_words.left_sentence(metrics), "bold"))


def _finding_table(metrics: Mapping[str, Any]) -> rich.table.Table:
    """Returns a line an output: images with and without it, the figures, AUROC's interval."""
    rows = table("", "with", "without", "recall", "specif.", "precision", "AUROC", "")
    for name, figures in metrics["per_class"].items():
        values = (figures[key] for key in ("recall", "specificity", "precision", "auroc"))
        rows.add_row(
            Text(name, "bold"),
            Text(f"{figures['n_images']:,}"),
            Text(f"{figures['n_images_without']:,}"),
            *(Text(words.number(value)) for value in values),
            Text(words.interval(metrics["intervals"].get(f"per_class.{name}.auroc")), "dim"),
        )
    return rows
