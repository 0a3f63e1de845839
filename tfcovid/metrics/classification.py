"""The figures of a set of predictions, as metrics.json holds them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from tfcovid.metrics.calibration import brier_score, expected_calibration_error

# Rows of float32 probabilities sum to 1 within this.
_SUM_TOLERANCE = 1e-3


def classification_metrics(
    labels: np.ndarray, probs: np.ndarray, decisions: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns every figure of one set of predictions, ready for JSON.

    Balanced accuracy and macro F1 are means over the classes that have an image.
    MCC is 0 where labels or decisions do not vary.

    Args:
      labels: class indices int [n], n >= 1.
      probs: probabilities float [n, num_classes]; rows sum to 1.
      decisions: class indices int [n].
      classes: names in the order of the probabilities.

    Returns:
      accuracy, balanced_accuracy, macro_f1, mcc, cohen_kappa, brier, ece: float;
      per_class: for each name precision, recall, specificity, f1, auroc, auprc;
      confusion_matrix: counts, list of rows, a row for each true class. None
      stands where a figure is not defined.

    Raises:
      ValueError: if shapes do not fit, an index is out of range, or a row of
        probs is not a probability distribution.
    """
    labels, probs, decisions = checked_predictions(labels, probs, decisions, classes)
    indices = range(len(classes))
    confusion = metrics.confusion_matrix(labels, decisions, labels=indices)
    per_class = _per_class(labels, probs, decisions, confusion)
    # More classes in the decisions than in the labels is no reason to warn, so
    # this is the mean of the recalls and not balanced_accuracy_score.
    present = confusion.sum(axis=1) > 0
    figures = {
        "accuracy": metrics.accuracy_score(labels, decisions),
        "balanced_accuracy": per_class["recall"][present].mean(),
        "macro_f1": per_class["f1"][present].mean(),
        "mcc": _mcc(labels, decisions),
        "cohen_kappa": _cohen_kappa(labels, decisions),
        "brier": brier_score(probs, labels),
        "ece": expected_calibration_error(probs, labels),
    }
    return {
        **{key: _number(value) for key, value in figures.items()},
        "per_class": {
            name: {key: _number(values[index]) for key, values in per_class.items()}
            for index, name in enumerate(classes)
        },
        "confusion_matrix": confusion.tolist(),
    }


def checked_predictions(
    labels: np.ndarray, probs: np.ndarray, decisions: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns labels and decisions as int64 [n] and probs as float64 [n, num_classes].

    Raises:
      ValueError: as `classification_metrics`.
    """
    labels, decisions = (
        _checked_indices(values, what, len(classes))
        for values, what in ((labels, "labels"), (decisions, "decisions"))
    )
    probs = np.asarray(probs, np.float64)
    if len(decisions) != len(labels) or probs.shape != (len(labels), len(classes)):
        raise ValueError(
            f"expected {len(labels)} decisions and probs [{len(labels)}, {len(classes)}], as there "
            f"are labels and classes. Received: {len(decisions)} decisions, probs "
            f"{list(probs.shape)}"
        )
    sound = (probs >= 0).all(axis=1) & (np.abs(probs.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    if not sound.all():
        row = int(np.argmin(sound))
        raise ValueError(
            "each row of probs must hold probabilities that sum to 1. "
            f"Received: row {row}: {probs[row].tolist()}"
        )
    return labels, probs, decisions


def _checked_indices(values: np.ndarray, what: str, num_classes: int) -> np.ndarray:
    values = np.asarray(values)
    sound = values.ndim == 1 and values.size > 0 and np.issubdtype(values.dtype, np.integer)
    if not sound or values.min() < 0 or values.max() >= num_classes:
        raise ValueError(
            f"{what} must be integers in [0, {num_classes}), one for each image, at least one. "
            f"Received: {values.dtype} {list(values.shape)}, "
            f"values {np.unique(values)[:10].tolist()}"
        )
    return values.astype(np.int64)


def _per_class(labels, probs, decisions, confusion) -> dict[str, np.ndarray]:
    indices = range(probs.shape[1])
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, decisions, labels=indices, zero_division=np.nan
    )
    negatives = len(labels) - confusion.sum(axis=1)
    false_positives = confusion.sum(axis=0) - np.diag(confusion)
    specificity = np.full(len(confusion), np.nan)
    np.divide(negatives - false_positives, negatives, out=specificity, where=negatives > 0)
    return {
        "precision": precision,
        "recall": recall,
        "specificity": specificity,
        "f1": f1,
        "auroc": np.array([_auroc(labels == c, probs[:, c]) for c in indices]),
        "auprc": np.array([_auprc(labels == c, probs[:, c]) for c in indices]),
    }


def _auroc(positive, scores) -> float:
    if positive.all() or not positive.any():
        return np.nan
    return metrics.roc_auc_score(positive, scores)


def _auprc(positive, scores) -> float:
    if not positive.any():
        return np.nan
    # Rounding must not put a perfect order above 1.
    return min(metrics.average_precision_score(positive, scores), 1.0)


def _mcc(labels, decisions) -> float:
    """scikit-learn's value for what does not vary, without its warning."""
    if (decisions == decisions[0]).all():
        return 0.0
    return metrics.matthews_corrcoef(labels, decisions)


def _cohen_kappa(labels, decisions) -> float:
    """Kappa is 0/0 where labels and decisions are one and the same class throughout."""
    if (labels == labels[0]).all() and (decisions == labels[0]).all():
        return np.nan
    return metrics.cohen_kappa_score(labels, decisions)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
