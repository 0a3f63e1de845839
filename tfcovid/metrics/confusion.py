"""Figures of confusion matrices, for thousands of them at once: what the bootstrap needs.

scikit-learn takes one set of labels at a time, some milliseconds each; the
tests hold these equal to it.
"""

import numpy as np

WHOLE_FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa")
CLASS_FIGURES = ("precision", "recall", "specificity", "f1")


def group_confusion(
    labels: np.ndarray, decisions: np.ndarray, group_index: np.ndarray, num_classes: int
) -> np.ndarray:
    """Returns the confusion matrix of each group, float64 [groups, num_classes, num_classes].

    Args:
      labels: class indices int [n].
      decisions: class indices int [n].
      group_index: int [n] in [0, groups), every group present.
      num_classes: number of classes.
    """
    cells = (group_index * num_classes + labels) * num_classes + decisions
    groups = int(group_index.max()) + 1
    counts = np.bincount(cells, minlength=groups * num_classes**2)
    return counts.reshape(groups, num_classes, num_classes).astype(np.float64)


def confusion_figures(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns each figure of each matrix, NaN where it is not defined.

    Args:
      matrices: counts float [..., num_classes, num_classes], rows the truth.

    Returns:
      WHOLE_FIGURES float [...] and CLASS_FIGURES float [..., num_classes], with
      the conventions of `classification_metrics`.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    truth, decided = matrices.sum(axis=-1), matrices.sum(axis=-2)
    total = truth.sum(axis=-1)
    recall = _ratio(hits, truth)
    f1 = _ratio(2 * hits, truth + decided)
    by_chance = (truth * decided).sum(axis=-1) / total**2
    agreement = hits.sum(axis=-1) / total
    spread = np.sqrt(_impurity(truth, total) * _impurity(decided, total))
    return {
        "accuracy": agreement,
        "balanced_accuracy": _mean_where(recall, truth > 0),
        "macro_f1": _mean_where(f1, truth > 0),
        "mcc": np.where(spread > 0, np.minimum(_ratio(agreement - by_chance, spread), 1.0), 0.0),
        "cohen_kappa": _ratio(agreement - by_chance, 1 - by_chance),
        "precision": _ratio(hits, decided),
        "recall": recall,
        "specificity": _ratio(total[..., None] - truth - decided + hits, total[..., None] - truth),
        "f1": f1,
    }


def slopes_by_accuracy(matrix: np.ndarray) -> dict[str, float]:
    """Returns how MCC and kappa move with accuracy while both margins stay.

    Both are linear in accuracy then. Infinite where the margins do not vary.

    Args:
      matrix: counts float [num_classes, num_classes].
    """
    truth, decided, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    spread = float(np.sqrt(_impurity(truth, total) * _impurity(decided, total)))
    disagreement = 1 - float(truth @ decided) / total**2
    return {
        "mcc": 1 / spread if spread else np.inf,
        "cohen_kappa": 1 / disagreement if disagreement else np.inf,
    }


def _impurity(counts, total):
    return 1 - np.square(counts / np.asarray(total)[..., None]).sum(axis=-1)


def _ratio(numerator, denominator):
    result = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _mean_where(values, present):
    return _ratio(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))
