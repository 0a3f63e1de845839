"""How much of a score is left on another data set."""

from collections.abc import Mapping
from typing import Any

from tfcovid.metrics.significance import difference_of_independent

WHOLE = ("balanced_accuracy", "accuracy", "macro_f1", "mean_auroc")
OF_A_CLASS = ("recall", "specificity", "auroc")


def drops(internal: Mapping[str, Any], external: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns how far each figure lies lower on other data, with an interval.

    Args:
      internal: metrics of the run's own test split, as in metrics.json.
      external: metrics of the same model, at the same threshold, on other patients.

    Returns:
      By key as in metrics.json's intervals: a (internal), b (external), difference (a - b), low,
      high, level, method. Figures over all classes only where the same classes have images in
      both; figures that either side lacks have no entry.
    """
    found = {}
    if _classes_there(internal) == _classes_there(external):
        for key in [key for key in WHOLE if key in internal]:
            found[key] = _drop(key, internal[key], external[key], internal, external)
    for name, figures in internal["per_class"].items():
        for figure in OF_A_CLASS:
            key, theirs = f"per_class.{name}.{figure}", external["per_class"][name][figure]
            found[key] = _drop(key, figures[figure], theirs, internal, external)
    return {key: drop for key, drop in found.items() if drop is not None}


def _classes_there(metrics: Mapping[str, Any]) -> set[str]:
    return {name for name, figures in metrics["per_class"].items() if figures["n_images"]}


def _drop(
    key: str,
    ours: float | None,
    theirs: float | None,
    internal: Mapping[str, Any],
    external: Mapping[str, Any],
) -> dict[str, Any] | None:
    intervals = [metrics["intervals"].get(key) for metrics in (internal, external)]
    if ours is None or theirs is None or None in intervals:
        return None
    return difference_of_independent(ours, intervals[0], theirs, intervals[1])
