"""How figures are put into words, the same on the terminal and on the page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]

UNDEFINED = "n/a"
FEW_MARK = "*"
FEW_WORDS = "from fewer than 10 patients: the interval itself is uncertain"
NO_CONTROLS = (
    "No controls stand beside this score: nothing here says how much of it a model that sees no "
    "lungs would reach."
)

HEADLINE = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "mcc": "Matthews correlation (MCC)",
    "cohen_kappa": "Cohen's kappa",
    "brier": "Brier score (lower is better)",
    "ece": "calibration error, ECE (lower is better)",
}
"""The figures of the whole split in reading order, and what they are called."""


def number(value: float | None, digits: int = 2) -> str:
    """Returns a figure with fixed digits, or "n/a" where it is undefined.

    Args:
      value: any number; None and NaN are undefined.
      digits: digits behind the point.
    """
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(found: Mapping[str, Any] | None, *, dash: str = "-") -> str:
    """Returns "low-high", marked where few patients stand behind it; "" where there is none.

    Args:
      found: low, high and perhaps few_groups, as in metrics.json; or None.
      dash: what stands between the ends.
    """
    if found is None:
        return ""
    mark = FEW_MARK if found.get("few_groups") else ""
    return f"{number(found['low'])}{dash}{number(found['high'])}{mark}"


def interval_legend(metrics: Metrics) -> str:
    """Returns how the intervals were made, in one line; "" where there are none."""
    intervals = [*metrics["intervals"].values(), *_control_intervals(metrics)]
    if not intervals:
        return ""
    levels = _listed(f"{100 * level:g} %" for level in _distinct(intervals, "level"))
    methods = _listed(method.replace("_", " ") for method in _distinct(intervals, "method"))
    return f"Intervals: {levels}, {methods}."


def has_few(metrics: Metrics) -> bool:
    """Returns whether any interval stands on few patients."""
    intervals = [*metrics["intervals"].values(), *_control_intervals(metrics)]
    return any(found.get("few_groups") for found in intervals)


def counted(amount: int, noun: str) -> str:
    """Returns "1 image", "1,234 images"."""
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")


def chance(metrics: Metrics) -> float:
    """Returns the balanced accuracy of guessing."""
    return 1 / len(metrics["classes"])


def control_sentence(metrics: Metrics, name: str) -> str:
    """Returns what one control's score says about the model's, in a sentence.

    Args:
      metrics: the content of metrics.json.
      name: a key of its `controls`.
    """
    control, model = metrics["controls"][name], metrics["balanced_accuracy"]
    sees, reached = control["sees"], control["balanced_accuracy"]
    comma = "," if "," in sees else ""
    return (
        f"Of the {number(model)} balanced accuracy, a probe that sees only {sees}{comma} reaches "
        f"{number(reached)} (chance {number(chance(metrics))})"
        f"{_how_far_above(model - reached, overlap=_overlap(metrics, control))}"
    )


def prevalence_sentence(metrics: Metrics, *, dash: str = "-") -> str:
    """Returns the predictive values at the prevalence given, in words; "" where none was given.

    Args:
      metrics: the content of metrics.json.
      dash: what stands between the ends of an interval.
    """
    found = metrics.get("at_prevalence")
    if found is None:
        return ""
    ppv, npv = (
        number(found[key], 3)
        + (f" ({interval(ends, dash=dash)})" if (ends := found["intervals"].get(key)) else "")
        for key in ("ppv", "npv")
    )
    return (
        f"Where {100 * found['prevalence']:g} % have {found['class']}, the decision "
        f"{found['class']} is right in {ppv} of the cases (PPV), any other in {npv} (NPV)."
    )


def drop_sentence(metrics: Metrics) -> str:
    """Returns how much is left of the run's own score on other data; "" where that is not known.

    Args:
      metrics: of an evaluation, the content of its metrics.json.
    """
    found = metrics.get("drop", {}).get("balanced_accuracy")
    if found is None:
        return ""
    moved = "lower" if found["difference"] > 0 else "higher"
    low, high = sorted(abs(found[end]) for end in ("low", "high"))
    between = f"{number(low)}-{number(high)}"
    if found["low"] <= 0 <= found["high"]:
        between = f"between {number(-found['high'])} and {number(-found['low'])}: may be none"
    return (
        f"Balanced accuracy is {number(abs(found['difference']))} {moved} ({between}) than on the "
        f"run's own test split, {number(found['a'])}."
    )


def strongest_control(metrics: Metrics) -> str | None:
    """Returns the name of the control with the highest score, None without controls."""
    controls = metrics["controls"]
    return max(controls, key=lambda name: controls[name]["balanced_accuracy"], default=None)


def all_notes(metrics: Metrics, notes: Sequence[str] = ()) -> list[str]:
    """Returns the notes of the metrics and further ones, each once, in order."""
    return list(dict.fromkeys([*metrics.get("notes", ()), *notes]))


def _how_far_above(difference: float, *, overlap: bool) -> str:
    if round(difference, 2) <= 0:
        return ": the model is not above it."
    tail = ", and the intervals overlap." if overlap else "."
    return f": the model is {number(difference)} above it{tail}"


def _overlap(metrics: Metrics, control: Mapping[str, Any]) -> bool:
    of_model, of_control = metrics["intervals"].get("balanced_accuracy"), control.get("interval")
    return bool(of_model and of_control and of_model["low"] <= of_control["high"])


def _control_intervals(metrics: Metrics) -> list[Mapping[str, Any]]:
    return [c["interval"] for c in metrics["controls"].values() if c.get("interval")]


def _distinct(intervals: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(found[key] for found in intervals))


def _listed(words: Iterable[str]) -> str:
    return " or ".join(words)
