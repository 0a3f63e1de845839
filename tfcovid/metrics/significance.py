"""Tests on one image a patient, p-values of several tests, and two test sets against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from tfcovid.metrics.delong import LEVEL, delong_test

INDEPENDENT = "MOVER from both intervals"


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Returns p-values that hold for all of them together, float64 [k], in the order given.

    Rejecting those at most .05 errs in any of them with a chance of .05 or less,
    however they hang together.

    Args:
      p_values: of one family of tests, in [0, 1], float [k].

    Raises:
      ValueError: if one is not in [0, 1].

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must be a list of numbers in [0, 1]. Received: {p_values}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def mcnemar(
    labels: np.ndarray,
    decisions_a: np.ndarray,
    decisions_b: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> dict[str, Any]:
    """Returns McNemar's exact test on one image a group, ready for JSON.

    The test takes its images for independent, which those of one patient are
    not. `compare_systems` uses them all.

    Args:
      labels: class indices int [n]; those of one class alone compare its recall.
      decisions_a: class indices int [n].
      decisions_b: of the other system.
      groups: group ids [n].
      seed: of the choice of the image.

    Returns:
      only_a (images that only a decides right), only_b, p_value (two-sided), n_patients.

    Source: McNemar 1947, Psychometrika 12(2); exact by the binomial distribution.
    """
    rows = one_image_a_group(groups, seed=seed)
    right_a, right_b = (
        np.asarray(decisions)[rows] == np.asarray(labels)[rows]
        for decisions in (decisions_a, decisions_b)
    )
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    apart = only_a + only_b
    return {
        "only_a": only_a,
        "only_b": only_b,
        "p_value": float(stats.binomtest(only_a, apart).pvalue) if apart else 1.0,
        "n_patients": len(rows),
    }


def delong(
    labels: np.ndarray,
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    groups: np.ndarray,
    *,
    positive_class: int,
    level: float = LEVEL,
    seed: int,
) -> dict[str, Any]:
    """Returns DeLong's test of two AUROCs on one image a group, ready for JSON.

    Args:
      labels: class indices int [n].
      scores_a: probability of the class, float [n].
      scores_b: of the other system.
      groups: group ids [n].
      positive_class: index of the class, against all others.
      level: of confidence, in (0, 1).
      seed: of the choice of the image.

    Returns:
      As `delong_test`, and n_patients.

    Raises:
      ValueError: if fewer than two of the chosen images are of the class, or not of it.
    """
    rows = one_image_a_group(groups, seed=seed)
    positive = np.asarray(labels)[rows] == positive_class
    scores = (np.asarray(values)[rows] for values in (scores_a, scores_b))
    return {**delong_test(positive, *scores, level=level), "n_patients": len(rows)}


def one_image_a_group(groups: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns one row of each group, drawn at random, int [groups], in ascending order.

    Args:
      groups: group ids [n].
      seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    firsts = np.unique(np.asarray(groups)[order], return_index=True)[1]
    return np.sort(order[firsts])


def difference_of_independent(
    a: float, interval_a: Mapping[str, Any], b: float, interval_b: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns how far a figure differs between two test sets without a common patient.

    Args:
      a: estimate on the one, for example the internal test split.
      interval_a: its low, high and level, as in metrics.json.
      b: estimate on the other.
      interval_b: likewise.

    Returns:
      a, b, difference (a - b), low, high, level, method.

    Raises:
      ValueError: if the levels differ.

    Source: Newcombe 1998, Statistics in Medicine 17(8), method 10; for figures
      other than shares Zou and Donner 2008, Statistics in Medicine 27(10).
    """
    if interval_a["level"] != interval_b["level"]:
        raise ValueError(
            "both intervals must have one level. "
            f"Received: {interval_a['level']} and {interval_b['level']}"
        )
    low, high = interval_of_difference(a, interval_a, b, interval_b, correlation=0.0)
    return {
        "a": a,
        "b": b,
        "difference": a - b,
        "low": low,
        "high": high,
        "level": interval_a["level"],
        "method": INDEPENDENT,
    }


def interval_of_difference(
    a: float,
    interval_a: Mapping[str, Any],
    b: float,
    interval_b: Mapping[str, Any],
    *,
    correlation: float,
) -> tuple[float, float]:
    """Returns the bounds of a - b from both intervals (method of variance estimates recovery).

    Args:
      a: estimate.
      interval_a: its low and high.
      b: the other estimate.
      interval_b: likewise.
      correlation: of the two estimates, in [-1, 1].

    Source: Zou 2007, Psychological Methods 12(4).
    """
    below_a, above_a = a - interval_a["low"], interval_a["high"] - a
    below_b, above_b = b - interval_b["low"], interval_b["high"] - b

    def away(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0)))

    return a - b - away(below_a, above_b), a - b + away(above_a, below_b)
