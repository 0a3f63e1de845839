"""An interval for every figure, by patients: bootstrap where it covers, score methods elsewhere."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics import small_samples
from tfcovid.metrics.calibration import brier_terms
from tfcovid.metrics.classification import checked_predictions
from tfcovid.metrics.confusion import (
    CLASS_FIGURES,
    WHOLE_FIGURES,
    confusion_figures,
    group_confusion,
    slopes_by_accuracy,
)
from tfcovid.metrics.resampling import resample_weights, weighted_auroc

RESAMPLES, LEVEL = 2000, 0.95

# Below so many positive groups the interval itself is uncertain, and says so.
FEW_GROUPS = 10

BOOTSTRAP = "bootstrap of patients within classes"
WILSON = "Wilson on the effective number of patients"
NEWCOMBE = "Newcombe on the effective number of patients"


@dataclasses.dataclass
class _Bounds:
    """Bounds of one figure, [2] or [2, num_classes], and the method of each."""

    values: np.ndarray
    methods: np.ndarray

    def replace_where(self, few: np.ndarray | bool, values: np.ndarray, method: str) -> None:
        self.values = np.where(few, values, self.values)
        self.methods = np.where(few, method, self.methods)


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

    Whole groups are resampled, as many of each class. With fewer than 10
    effective groups of errors (or hits) a bootstrap covers far too little; then
    recall, specificity, precision and accuracy have Wilson's interval on the
    effective number of groups; F1 that of TP / (TP + FP + FN), of which it is a
    function; balanced accuracy combines the recalls' intervals, macro F1 takes
    the mean of the bounds of the classes' F1; MCC and kappa follow accuracy at fixed
    margins; AUROC has Newcombe's score interval. An interval never excludes
    its own estimate.

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
      By key ('accuracy', 'balanced_accuracy', 'macro_f1', 'mcc', 'cohen_kappa', 'brier',
      'per_class.NAME.precision', recall, specificity, f1, auroc): low, high,
      level, method, n_patients (groups that the figure counts), and few_groups: True
      where fewer than 10 groups of the class (of the rarest one, for means over
      classes) stand behind it. A figure that is not defined has no entry.

    Raises:
      ValueError: if shapes do not fit, or as `classification_metrics`.
    """
    labels, probs, decisions = checked_predictions(labels, probs, decisions, classes)
    group_index = _checked_groups(groups, len(labels))
    confusion = group_confusion(labels, decisions, group_index, len(classes))
    weights = resample_weights(confusion, resamples, seed)
    bounds = _confusion_bounds(confusion, weights, level)
    sizes = np.bincount(group_index)
    brier = np.bincount(group_index, brier_terms(probs, labels))
    bounds["brier"] = _percentiles(weights @ brier / (weights @ sizes), level)
    bounds["auroc"] = _auroc_bounds(labels, probs, group_index, confusion, weights, level)
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
    group_index = _checked_groups(groups, len(labels))
    confusion = group_confusion(labels, decisions, group_index, num_classes)
    weights = resample_weights(confusion, resamples, seed)
    bounds = _confusion_bounds(confusion, weights, level)
    only = {"balanced_accuracy": bounds["balanced_accuracy"]}
    return _entries(only, confusion, names, level)["balanced_accuracy"]


def _confusion_bounds(
    confusion: np.ndarray, weights: np.ndarray, level: float
) -> dict[str, _Bounds]:
    """Returns the bounds of what comes from the confusion matrix."""
    groups, num_classes = confusion.shape[:2]
    resampled = (weights @ confusion.reshape(groups, -1)).reshape(-1, num_classes, num_classes)
    bounds = {
        key: _percentiles(values, level) for key, values in confusion_figures(resampled).items()
    }
    total = confusion.sum(axis=0)
    figures = confusion_figures(total)
    effective = {
        key: small_samples.effective_groups(sizes)
        for key, sizes in _denominators(confusion).items()
    }
    for key in ("accuracy", "precision", "recall", "specificity"):
        share, n = figures[key], effective[key]
        few = small_samples.few_events(share, n)
        bounds[key].replace_where(few, small_samples.wilson_interval(share, n, level), WILSON)
    # F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), a share of images.
    jaccard, n = figures["f1"] / (2 - figures["f1"]), effective["f1"]
    of_jaccard = small_samples.wilson_interval(jaccard, n, level)
    few_f1 = small_samples.few_events(jaccard, n)
    bounds["f1"].replace_where(few_f1, 2 * of_jaccard / (1 + of_jaccard), WILSON)
    _follow(bounds, figures, slopes_by_accuracy(total))
    return {key: _including(found, figures[key]) for key, found in bounds.items()}


def _follow(
    bounds: dict[str, _Bounds], figures: dict[str, np.ndarray], slopes: dict[str, float]
) -> None:
    """Gives composed figures Wilson's bounds where a part of them has these."""
    present = ~np.isnan(figures["recall"])
    few_recall = (bounds["recall"].methods == WILSON) & present
    mean = small_samples.mean_interval(figures["recall"], bounds["recall"].values)
    bounds["balanced_accuracy"].replace_where(few_recall.any(), mean, WILSON)
    few_f1 = (bounds["f1"].methods == WILSON) & present
    mean = bounds["f1"].values[:, present].mean(axis=1)
    bounds["macro_f1"].replace_where(few_f1.any(), mean, WILSON)
    few_errors = bounds["accuracy"].methods == WILSON
    moves = bounds["accuracy"].values - figures["accuracy"]
    for key, slope in slopes.items():
        if np.isfinite(slope):
            moved = np.clip(figures[key] + slope * moves, -1, 1)
            bounds[key].replace_where(few_errors, moved, WILSON)


def _auroc_bounds(labels, probs, group_index, confusion, weights, level) -> _Bounds:
    """Returns the bounds of each class's one-against-rest AUROC; NaN where it is not defined."""
    truth = confusion.sum(axis=2)
    positives = small_samples.effective_groups(truth)
    negatives = small_samples.effective_groups(truth.sum(axis=1, keepdims=True) - truth)
    found = []
    for index in range(probs.shape[1]):
        of_class = labels == index
        once = np.ones((1, len(confusion)))
        auroc = weighted_auroc(of_class, probs[:, index], group_index, once)[0]
        bounds = _percentiles(
            weighted_auroc(of_class, probs[:, index], group_index, weights), level
        )
        m, n = positives[index], negatives[index]
        if not np.isnan(auroc) and small_samples.few_events(auroc, min(m, n)):
            bounds.replace_where(True, small_samples.auroc_interval(auroc, m, n, level), NEWCOMBE)
        found.append(_including(bounds, auroc))
    return _Bounds(
        np.stack([bounds.values for bounds in found], axis=1),
        np.array([str(bounds.methods) for bounds in found]),
    )


def _denominators(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the images of each group that each figure counts, [groups] or [groups, k]."""
    truth, decided = confusion.sum(axis=2), confusion.sum(axis=1)
    images = truth.sum(axis=1)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    return {
        **dict.fromkeys((*WHOLE_FIGURES, "brier"), images),
        "recall": truth,
        "precision": decided,
        "specificity": images[:, None] - truth,
        "f1": truth + decided - hits,
        "auroc": truth,
    }


def _percentiles(values: np.ndarray, level: float) -> _Bounds:
    """Returns percentile bounds over the resamples, NaN where none defines the figure."""
    undefined = np.isnan(values).all(axis=0)
    filled = np.where(undefined, 0.0, values)
    tails = [(1 - level) / 2, (1 + level) / 2]
    bounds = np.where(undefined, np.nan, np.nanquantile(filled, tails, axis=0))
    return _Bounds(bounds, np.full(np.shape(undefined), BOOTSTRAP))


def _including(bounds: _Bounds, estimate: np.ndarray) -> _Bounds:
    low, high = bounds.values
    inside = np.stack([np.minimum(low, estimate), np.maximum(high, estimate)])
    return _Bounds(inside, bounds.methods)


def _entries(
    bounds: dict[str, _Bounds], confusion: np.ndarray, classes: Sequence[str], level: float
) -> dict[str, dict[str, Any]]:
    """Returns the entries of metrics.json, without those of undefined figures."""
    counted = {key: (sizes > 0).sum(axis=0) for key, sizes in _denominators(confusion).items()}
    of_class = counted["recall"]
    rarest = of_class[of_class > 0].min()
    entries = {}
    for key, found in bounds.items():
        if key in (*CLASS_FIGURES, "auroc"):
            behind = counted[key] if key == "specificity" else of_class
            for index, name in enumerate(classes):
                entries[f"per_class.{name}.{key}"] = _entry(
                    found.values[:, index],
                    str(found.methods[index]),
                    level,
                    counted[key][index],
                    behind[index],
                )
        else:
            behind = rarest if key in ("balanced_accuracy", "macro_f1") else counted[key]
            entries[key] = _entry(found.values, str(found.methods), level, counted[key], behind)
    return {key: entry for key, entry in entries.items() if np.isfinite(entry["low"])}


def _entry(values: np.ndarray, method: str, level: float, counted, behind) -> dict[str, Any]:
    few = {"few_groups": True} if behind < FEW_GROUPS else {}
    return {
        "low": float(values[0]),
        "high": float(values[1]),
        "level": level,
        "method": method,
        "n_patients": int(counted),
        **few,
    }


def _checked_groups(groups: np.ndarray, n: int) -> np.ndarray:
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"expected one group id for each of {n} images. Received: {groups.shape}")
    return np.unique(groups, return_inverse=True)[1]
