"""An interval for every figure, by patients: score methods for shares, a bootstrap where it covers.

`benchmarks/interval_coverage.py` measures how often they cover.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics import small_samples
from tfcovid.metrics.bounds import WILSON, Bounds, including, percentile_bounds
from tfcovid.metrics.calibration import brier_terms
from tfcovid.metrics.classification import checked_predictions
from tfcovid.metrics.confusion import (
    CLASS_FIGURES,
    WHOLE_FIGURES,
    confusion_figures,
    group_confusion,
    slopes_by_accuracy,
)
from tfcovid.metrics.probability_bounds import auprc_bounds, auroc_bounds, ece_bounds
from tfcovid.metrics.resampling import resample_weights

RESAMPLES, LEVEL = 2000, 0.95

# Below so many positive groups the interval itself is uncertain, and says so.
FEW_GROUPS = 10


def group_bootstrap(
    labels: np.ndarray,
    probs: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns the interval of each figure, ready for JSON.

    Recall, specificity, precision and accuracy have Wilson's interval on the
    effective number of images, which is estimated from how alike images of one
    group turn out; F1 that of TP / (TP + FP + FN), of which it is a function;
    AUROC has Newcombe's score interval with the variance of the groups, average
    precision (AUPRC) Wilson's as if it were a share of its class, with that of the
    bootstrap.

    For the others whole groups are resampled, as many of each class, unless
    there are fewer than 10 effective groups of errors (or hits), where a
    bootstrap covers far too little. Then balanced accuracy combines the
    recalls' intervals, macro F1 takes the mean of the bounds of the classes'
    F1, MCC and kappa follow accuracy at fixed margins, and the calibration error
    (ECE) may move as far as accuracy. An interval never excludes its own estimate.

    Args:
      labels: class indices int [n].
      probs: probabilities float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n]: images of one patient share one.
      classes: names in the order of the probabilities.
      resamples: of the bootstrap, >= 1.
      level: of confidence, in (0, 1).
      seed: of the bootstrap.

    Returns:
      By key ('accuracy', 'balanced_accuracy', 'macro_f1', 'mcc', 'cohen_kappa', 'brier', 'ece',
      'per_class.NAME.precision', recall, specificity, f1, auroc, auprc): low, high,
      level, method, n_patients (groups that the figure counts), and few_groups: True
      where fewer than 10 groups of the class (of the rarest one, for means over
      classes) stand behind it. A figure that is not defined has no entry.

    Raises:
      ValueError: if shapes do not fit, or as `classification_metrics`.
    """
    labels, probs, decisions = checked_predictions(labels, probs, decisions, classes)
    group_index = checked_groups(groups, len(labels))
    confusion = group_confusion(labels, decisions, group_index, len(classes))
    weights = resample_weights(confusion, resamples, seed)
    bounds = _confusion_bounds(confusion, weights, level)
    sizes = np.bincount(group_index)
    brier = np.bincount(group_index, brier_terms(probs, labels))
    bounds["brier"] = percentile_bounds(weights @ brier / (weights @ sizes), level)
    bounds["ece"] = ece_bounds(labels, probs, group_index, weights, level)
    bounds["auroc"] = auroc_bounds(labels, probs, group_index, confusion, level)
    bounds["auprc"] = auprc_bounds(labels, probs, group_index, confusion, weights, level)
    return _entries(bounds, confusion, classes, level)


def balanced_accuracy_interval(
    labels: np.ndarray,
    decisions: np.ndarray,
    groups: np.ndarray,
    *,
    num_classes: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
) -> dict[str, Any]:
    """Returns the interval of balanced accuracy alone, where there are no probabilities.

    Arguments, entry and method as `group_bootstrap`.
    """
    certain = np.eye(num_classes)[np.asarray(decisions)]
    names = [str(index) for index in range(num_classes)]
    labels, _, decisions = checked_predictions(labels, certain, decisions, names)
    group_index = checked_groups(groups, len(labels))
    confusion = group_confusion(labels, decisions, group_index, num_classes)
    weights = resample_weights(confusion, resamples, seed)
    bounds = _confusion_bounds(confusion, weights, level)
    only = {"balanced_accuracy": bounds["balanced_accuracy"]}
    return _entries(only, confusion, names, level)["balanced_accuracy"]


def _confusion_bounds(
    confusion: np.ndarray, weights: np.ndarray, level: float
) -> dict[str, Bounds]:
    """Returns the bounds of what comes from the confusion matrix."""
    groups, num_classes = confusion.shape[:2]
    resampled = (weights @ confusion.reshape(groups, -1)).reshape(-1, num_classes, num_classes)
    bounds = {
        key: percentile_bounds(values, level)
        for key, values in confusion_figures(resampled).items()
    }
    total = confusion.sum(axis=0)
    figures = confusion_figures(total)
    few = {}
    for key, (hits, sizes) in _shares(confusion).items():
        share = figures[key]
        # F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), a share of images.
        share = share / (2 - share) if key == "f1" else share
        n = small_samples.effective_number(hits, sizes)
        of_share = small_samples.wilson_interval(
            share, n, level, freedom=(sizes > 0).sum(axis=0) - 1
        )
        of_share = 2 * of_share / (1 + of_share) if key == "f1" else of_share
        bounds[key].replace_where(True, of_share, WILSON)
        few[key] = small_samples.few_events(share, n)
    _follow(bounds, figures, few, slopes_by_accuracy(total))
    return {key: including(found, figures[key]) for key, found in bounds.items()}


def _follow(
    bounds: dict[str, Bounds],
    figures: dict[str, np.ndarray],
    few: dict[str, np.ndarray],
    slopes: dict[str, float],
) -> None:
    """Gives composed figures Wilson's bounds where a part of them has few errors or hits."""
    present = ~np.isnan(figures["recall"])
    mean = small_samples.mean_interval(figures["recall"], bounds["recall"].values)
    bounds["balanced_accuracy"].replace_where((few["recall"] & present).any(), mean, WILSON)
    mean = bounds["f1"].values[:, present].mean(axis=1)
    bounds["macro_f1"].replace_where((few["f1"] & present).any(), mean, WILSON)
    moves = bounds["accuracy"].values - figures["accuracy"]
    for key, slope in slopes.items():
        if np.isfinite(slope):
            moved = np.clip(figures[key] + slope * moves, -1, 1)
            bounds[key].replace_where(few["accuracy"], moved, WILSON)


def _shares(confusion: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns what each share counts of each group: hits and images, [groups] or [groups, k]."""
    sizes = _denominators(confusion)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    false_positives = confusion.sum(axis=1) - hits
    return {
        "accuracy": (hits.sum(axis=1), sizes["accuracy"]),
        "precision": (hits, sizes["precision"]),
        "recall": (hits, sizes["recall"]),
        "specificity": (sizes["specificity"] - false_positives, sizes["specificity"]),
        "f1": (hits, sizes["f1"]),
    }


def _denominators(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the images of each group that each figure counts, [groups] or [groups, k]."""
    truth, decided = confusion.sum(axis=2), confusion.sum(axis=1)
    images = truth.sum(axis=1)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    return {
        **dict.fromkeys((*WHOLE_FIGURES, "brier", "ece"), images),
        "recall": truth,
        "precision": decided,
        "specificity": images[:, None] - truth,
        "f1": truth + decided - hits,
        "auroc": truth,
        "auprc": truth,
    }


def _entries(
    bounds: dict[str, Bounds], confusion: np.ndarray, classes: Sequence[str], level: float
) -> dict[str, dict[str, Any]]:
    """Returns the entries of metrics.json, without those of undefined figures."""
    counted = {key: (sizes > 0).sum(axis=0) for key, sizes in _denominators(confusion).items()}
    of_class = counted["recall"]
    rarest = of_class[of_class > 0].min()
    entries = {}
    for key, found in bounds.items():
        if key in (*CLASS_FIGURES, "auroc", "auprc"):
            behind = counted[key] if key == "specificity" else of_class
            for index, name in enumerate(classes):
                entries[f"per_class.{name}.{key}"] = interval_entry(
                    found.values[:, index],
                    str(found.methods[index]),
                    level,
                    counted[key][index],
                    behind[index],
                )
        else:
            behind = rarest if key in ("balanced_accuracy", "macro_f1") else counted[key]
            entries[key] = interval_entry(
                found.values, str(found.methods), level, counted[key], behind
            )
    return {key: entry for key, entry in entries.items() if np.isfinite(entry["low"])}


def interval_entry(
    values: np.ndarray, method: str, level: float, counted: int, behind: int
) -> dict[str, Any]:
    """Returns an interval as metrics.json has it.

    Args:
      values: low and high, [2].
      method: how it was made.
      level: of confidence, in (0, 1).
      counted: groups that the figure counts.
      behind: groups that stand behind it; below FEW_GROUPS the entry says so.
    """
    few = {"few_groups": True} if behind < FEW_GROUPS else {}
    return {
        "low": float(values[0]),
        "high": float(values[1]),
        "level": level,
        "method": method,
        "n_patients": int(counted),
        **few,
    }


def checked_groups(groups: np.ndarray, n: int) -> np.ndarray:
    """Returns the groups' numbers, int [n] in [0, groups), every one present.

    Raises:
      ValueError: if there is not one group id an image.
    """
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"expected one group id for each of {n} images. Received: {groups.shape}")
    return np.unique(groups, return_inverse=True)[1]
