"""The figures of a set of predictions; scikit-learn does the arithmetic."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from tfcovid.metrics.calibration import brier_score, expected_calibration_error


def classification_metrics(
    labels: np.ndarray, probs: np.ndarray, decisions: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns the figures as JSON-ready numbers; None where one is not defined.

    Args:
      labels: class indices int [n].
      probs: float [n, num_classes].
      decisions: class indices int [n].
      classes: names in the order of the probabilities.
    """
    index = np.arange(len(classes))
    matrix = metrics.confusion_matrix(labels, decisions, labels=index)
    present = matrix.sum(axis=1) > 0
    recalls = matrix.diagonal()[present] / matrix.sum(axis=1)[present]
    return {
        "accuracy": float(metrics.accuracy_score(labels, decisions)),
        "balanced_accuracy": float(recalls.mean()),
        "macro_f1": float(
            metrics.f1_score(labels, decisions, labels=index[present], average="macro")
        ),
        "mcc": float(metrics.matthews_corrcoef(labels, decisions)),
        "cohen_kappa": cohen_kappa(matrix),
        "brier": brier_score(probs, labels),
        "ece": expected_calibration_error(probs, labels),
        "per_class": {
            name: class_metrics(labels == i, probs[:, i], decisions == i)
            for i, name in enumerate(classes)
        },
        "confusion_matrix": matrix.tolist(),
    }


def class_metrics(truth: np.ndarray, scores: np.ndarray, decided: np.ndarray) -> dict[str, Any]:
    """Returns the figures of one class against all others.

    Args:
      truth: bool [n].
      scores: probability of the class, float [n].
      decided: bool [n].
    """
    hits = int(np.sum(truth & decided))
    both = 0 < truth.sum() < len(truth)
    return {
        "precision": ratio(hits, decided.sum()),
        "recall": ratio(hits, truth.sum()),
        "specificity": ratio(np.sum(~truth & ~decided), np.sum(~truth)),
        "f1": ratio(2 * hits, truth.sum() + decided.sum()),
        "auroc": float(metrics.roc_auc_score(truth, scores)) if both else None,
        "auprc": float(metrics.average_precision_score(truth, scores)) if truth.any() else None,
    }


def ratio(part: float, whole: float) -> float | None:
    """Returns part / whole, or None where there is no whole."""
    return float(part / whole) if whole else None


def cohen_kappa(matrix: np.ndarray) -> float | None:
    """Returns Cohen's kappa of a confusion matrix, or None where chance alone agrees fully."""
    total = matrix.sum()
    expected = float(matrix.sum(axis=0) @ matrix.sum(axis=1)) / total**2
    if expected == 1:
        return None
    return (float(matrix.trace()) / total - expected) / (1 - expected)
