"""Intervals that still cover when errors or patients are few, where a bootstrap does not.

A percentile bootstrap of a sensitivity of .9 covers .53 of the time with 8
positives, and of one without errors never: every resample is perfect too.
"""

import numpy as np
from scipy import optimize, stats

# Fewer expected errors, or expected hits, than this make the sample small.
FEW_EVENTS = 10


def effective_groups(sizes: np.ndarray) -> np.ndarray:
    """Returns how many groups of equal size weigh the same: (sum n)^2 / sum n^2.

    Takes images of one patient for repetitions of one observation, the careful end.

    Args:
      sizes: images of each group, float [groups, ...].

    Returns:
      Float [...], between 1 and the number of groups with images; 0 where there are none.

    Source: Kish 1965, Survey Sampling, section 8.2.
    """
    squares = np.square(sizes).sum(axis=0)
    return np.square(sizes.sum(axis=0)) / np.where(squares > 0, squares, 1)


def few_events(share: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns whether hits or errors are fewer than FEW_EVENTS effective groups."""
    return np.minimum(share, 1 - share) * groups < FEW_EVENTS


def wilson_interval(share: np.ndarray, groups: np.ndarray, level: float) -> np.ndarray:
    """Returns Wilson's score interval of a share, float [2, ...]: low and high.

    Args:
      share: in [0, 1], float [...]; NaN gives NaN.
      groups: number of observations, need not be whole, > 0, float [...].
      level: of confidence, in (0, 1).

    Source: Wilson 1927, JASA 22(158); no continuity correction.
    """
    share = np.asarray(share, np.float64)
    n = np.where(np.isnan(share), 1.0, groups)
    z = stats.norm.isf((1 - level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not put a share of 0 or 1 outside its own interval, nor this outside [0, 1].
    low = np.maximum(np.minimum(centre - half, share), 0)
    return np.stack([low, np.minimum(np.maximum(centre + half, share), 1)])


def mean_interval(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Returns the interval of a mean of independent estimates from theirs, float [2].

    Args:
      values: estimates float [k]; NaN ones are left out.
      bounds: their intervals float [2, k].

    Source: Zou and Donner 2008, Statistics in Medicine 27(10): recovery of variances.
    """
    defined = ~np.isnan(values)
    values, (low, high) = values[defined], bounds[:, defined]
    mean = values.mean()
    below = np.sqrt(np.square(values - low).sum()) / len(values)
    above = np.sqrt(np.square(high - values).sum()) / len(values)
    return np.array([mean - below, min(mean + above, 1.0)])


def auroc_interval(auroc: float, positives: float, negatives: float, level: float) -> np.ndarray:
    """Returns a score interval of an AUROC, float [2]; also for one of exactly 1.

    The bounds are where the estimate lies z standard errors away, each with the
    standard error at that bound.

    Args:
      auroc: in [0, 1].
      positives: effective number of positive groups, > 0.
      negatives: effective number of negative groups, > 0.
      level: of confidence, in (0, 1).

    Source: Newcombe 2006, Statistics in Medicine 25(4), method 5, with the
      variance of Hanley and McNeil 1982.
    """
    z = stats.norm.isf((1 - level) / 2)
    half_sum = (positives + negatives) / 2

    def variance(theta: float) -> float:
        pairs = (1 - theta) / (2 - theta) + theta / (1 + theta)
        return theta * (1 - theta) * (1 + max(half_sum - 1, 0) * pairs) / (positives * negatives)

    def beyond(theta: float) -> float:
        return (theta - auroc) ** 2 - z**2 * variance(theta)

    low = optimize.brentq(beyond, 0, auroc) if beyond(auroc) < 0 else _below(beyond, auroc)
    high = optimize.brentq(beyond, auroc, 1) if beyond(auroc) < 0 else _above(beyond, auroc)
    return np.array([low, high])


def _below(beyond, auroc: float) -> float:
    """At an AUROC of 1 `beyond` is 0 there and negative just below it."""
    return 0.0 if auroc == 0 else optimize.brentq(beyond, 0, auroc - 1e-9)


def _above(beyond, auroc: float) -> float:
    return 1.0 if auroc == 1 else optimize.brentq(beyond, auroc + 1e-9, 1)
