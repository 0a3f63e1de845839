"""Intervals by patient: images of one patient are no independent evidence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from tfcovid.metrics.resampling import (
    group_confusions,
    group_sums,
    group_weights,
    matrix_figures,
    resampled_auroc,
)

RESAMPLES = 2000
LEVEL = 0.95
# Below, the percentile bootstrap of a proportion covers too rarely and Wilson's interval does
# not: .87 and .96 of the time with 20 patients at a sensitivity of .9.
MIN_GROUPS_FOR_BOOTSTRAP = 60
MIN_ERRORS_FOR_BOOTSTRAP = 10
# Below, an interval stands and says that it is uncertain itself.
FEW_GROUPS = 10

BOOTSTRAP = "bootstrap by patient, stratified by class"
WILSON = "Wilson, on the effective number of patients"


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
    """Returns an interval for each figure that is defined, by its key in metrics.json.

    Whole groups are drawn with replacement within their class. Recall,
    precision and specificity from few groups or with few errors take Wilson's
    interval on Kish's effective number of groups instead, which takes images of
    one group for copies of each other.

    Args:
      labels: class indices int [n].
      probs: float [n, num_classes].
      decisions: class indices int [n].
      groups: group ids [n].
      classes: names in the order of the probabilities.
      resamples: draws of the bootstrap.
      level: coverage asked for, in (0, 1).
      seed: of the draws.

    Returns:
      Key to {low, high, level, method, n_patients}, and `few_groups: True`
      where fewer than 10 groups stand behind it.

    Source: Davison & Hinkley 1997, section 3.8 (resampling clusters); Wilson
    1927, JASA 22; Kish 1965, Survey Sampling, section 8.2.
    """
    index = np.unique(groups, return_inverse=True)[1]
    weights = group_weights(labels, index, resamples=resamples, seed=seed)
    draws = matrix_figures(weights @ group_confusions(labels, decisions, index, len(classes)))
    truth = np.eye(len(classes))[labels]
    squared = np.sum((probs - truth) ** 2, axis=1)
    draws["brier"] = (weights @ group_sums(squared, index)) / (
        weights @ group_sums(np.ones(len(labels)), index)
    )
    found = {
        key: percentile_interval(draws[key], level, n_groups=int(index.max()) + 1)
        for key in ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier")
    }
    fewest = min(np.unique(index[labels == i]).size for i in np.unique(labels))
    for interval in found.values():
        _mark_few(interval, fewest)
    for i, name in enumerate(classes):
        if np.any(labels == i):
            found |= _class_intervals(
                f"per_class.{name}", i, labels, probs, decisions, index, weights, draws, level
            )
    return found


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
    """Returns the interval of the balanced accuracy alone; see group_bootstrap."""
    index = np.unique(groups, return_inverse=True)[1]
    weights = group_weights(labels, index, resamples=resamples, seed=seed)
    draws = matrix_figures(weights @ group_confusions(labels, decisions, index, num_classes))
    return percentile_interval(draws["balanced_accuracy"], level, n_groups=int(index.max()) + 1)


def percentile_interval(draws: np.ndarray, level: float, *, n_groups: int) -> dict[str, Any]:
    """Returns the middle `level` of the draws that are defined."""
    tail = 100 * (1 - level) / 2
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return {
        "low": float(low),
        "high": float(high),
        "level": level,
        "method": BOOTSTRAP,
        "n_patients": n_groups,
    }


def wilson_interval(
    successes: np.ndarray, groups: np.ndarray, *, level: float = LEVEL
) -> dict[str, Any]:
    """Returns Wilson's interval of a proportion over grouped trials.

    Args:
      successes: bool [n], at least one.
      groups: group of each trial [n].
      level: coverage asked for, in (0, 1).
    """
    sizes = np.unique(groups, return_counts=True)[1]
    effective = sizes.sum() ** 2 / np.sum(sizes**2)
    share = float(np.mean(successes))
    z = norm.ppf((1 + level) / 2)
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = (
        z
        * np.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
        / (1 + z**2 / effective)
    )
    return {
        "low": max(0.0, float(centre - half)),
        "high": min(1.0, float(centre + half)),
        "level": level,
        "method": WILSON,
        "n_patients": int(sizes.size),
    }


def _class_intervals(
    prefix, i, labels, probs, decisions, index, weights, draws, level
) -> dict[str, dict[str, Any]]:
    """Returns the intervals of one class against all others."""
    truth, decided = labels == i, decisions == i
    num_positive = np.unique(index[truth]).size
    found = {}
    for name, trials, successes in (
        ("recall", truth, decided),
        ("specificity", ~truth, ~decided),
        ("precision", decided, truth),
    ):
        if trials.any():
            found[f"{prefix}.{name}"] = _proportion_interval(
                successes[trials], index[trials], draws[name][:, i], level
            )
    if truth.any() or decided.any():
        found[f"{prefix}.f1"] = percentile_interval(draws["f1"][:, i], level, n_groups=num_positive)
    if not truth.all():
        auroc = resampled_auroc(truth, probs[:, i], index, weights)
        found[f"{prefix}.auroc"] = percentile_interval(auroc, level, n_groups=num_positive)
    for name, interval in found.items():
        trials_groups = interval["n_patients"]
        _mark_few(interval, trials_groups if name.endswith("specificity") else num_positive)
    return found


def _proportion_interval(successes, groups, draws, level) -> dict[str, Any]:
    num_groups = np.unique(groups).size
    errors = min(np.count_nonzero(~successes), np.count_nonzero(successes))
    if num_groups < MIN_GROUPS_FOR_BOOTSTRAP or errors < MIN_ERRORS_FOR_BOOTSTRAP:
        return wilson_interval(successes, groups, level=level)
    return percentile_interval(draws, level, n_groups=num_groups)


def _mark_few(interval: dict[str, Any], n_groups: int) -> None:
    if n_groups < FEW_GROUPS:
        interval["few_groups"] = True
