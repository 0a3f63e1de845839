"""Which figure's interval was made how, in one line."""

from collections.abc import Iterator, Mapping
from typing import Any

Metrics = Mapping[str, Any]
Entry = tuple[str, str, Mapping[str, Any]]
"""What a figure is called, of what it is one of several, "" where it is the only one, interval."""

OF_CLASS = {
    "recall": "recall",
    "precision": "precision",
    "specificity": "specificity",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "calibration error",
}
"""What the figures of one class are called here, by their keys in metrics.json."""


def interval_legend(metrics: Metrics, headline: Mapping[str, str]) -> str:
    """Returns how the interval of each figure was made, in one line; "" where there are none.

    Args:
      metrics: the content of metrics.json.
      headline: what the figures of the whole split are called; what stands behind a comma or a
        bracket is left out.
    """
    entries = list(_entries(metrics, headline))
    levels = dict.fromkeys(f"{100 * found['level']:g} %" for _, _, found in entries)
    made: dict[str, dict[str, list[str]]] = {}
    for name, of, found in entries:
        # Where levels differ they are a part of how it was made.
        how = found["method"].replace("_", " ")
        how = how if len(levels) == 1 else f"{100 * found['level']:g} %, {how}"
        made.setdefault(how, {}).setdefault(name, []).append(of)
    parts = [f"{_named(figures, entries)}: {how}" for how, figures in made.items()]
    return f"Intervals: {' and '.join(levels)}. {'; '.join(parts)}." if parts else ""


def _named(figures: Mapping[str, list[str]], entries: list[Entry]) -> str:
    """Returns the names of figures, and of which classes where the others have another method."""
    amounts = {name: sum(name == other for other, _, _ in entries) for name in figures}
    return ", ".join(
        name if len(of) == amounts[name] else f"{name} of {' and '.join(of)}"
        for name, of in figures.items()
    )


def _entries(metrics: Metrics, headline: Mapping[str, str]) -> Iterator[Entry]:
    for key, found in metrics["intervals"].items():
        if key.startswith("per_class."):
            of, _, figure = key.removeprefix("per_class.").rpartition(".")
            yield OF_CLASS.get(figure, figure), of, found
        else:
            yield headline.get(key, key).partition(" (")[0].partition(",")[0], "", found
    for part, name in (
        ("controls", "what a control reaches"),
        ("sources_told_apart", "how well sources are told apart"),
    ):
        for of in metrics.get(part, {}).values():
            if of.get("interval"):
                yield name, of.get("sees", ""), of["interval"]
    for of in metrics["controls"].values():
        if of.get("above", {}).get("method"):
            yield "how far the model is above a control", of["sees"], of["above"]
