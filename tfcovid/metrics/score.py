"""All figures of a set of predictions, each with its interval: the body of metrics.json."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.intervals import FEW_GROUPS, group_bootstrap


def score(
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any]:
    """Returns the figures of metrics.json with intervals and counts of patients.

    Args:
      labels: class indices int [n].
      probs: calibrated probabilities float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n]; images of one patient share one.
      classes: names in the order of the probabilities.
      seed: of the bootstrap.
    """
    figures = classification_metrics(labels, probs, decisions, classes)
    for index, name in enumerate(classes):
        of_class = labels == index
        figures["per_class"][name] |= {
            "n_images": int(of_class.sum()),
            "n_patients": int(np.unique(groups[of_class]).size),
        }
    return {
        "classes": list(classes),
        "n_images": len(labels),
        "n_patients": int(np.unique(groups).size),
        **figures,
        "intervals": group_bootstrap(labels, probs, decisions, groups, classes, seed=seed),
    }


def few_patient_notes(metrics: dict[str, Any]) -> list[str]:
    """Returns a line for each class that too few patients stand for."""
    return [
        f"{name}: only {figures['n_patients']} patients in the test split; "
        "an interval from so few is itself uncertain."
        for name, figures in metrics["per_class"].items()
        if figures["n_patients"] < FEW_GROUPS
    ]
