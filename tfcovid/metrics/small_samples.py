"""Intervals that still cover when errors or patients are few, where a bootstrap does not.

A percentile bootstrap of a sensitivity of .9 covers .53 of the time with 8
positives, and of one without errors never: every resample is perfect too.
`benchmarks/interval_coverage.py` measures how often these cover.
"""

from typing import Any

import numpy as np
from scipy import optimize, stats

# Fewer expected errors, or expected hits, than this make the sample small.
FEW_EVENTS = 10

# Before the data speak, images of one patient are taken for repetitions of one observation. So
# much of a patient with an error, and with several images, is that assumption worth. From a scan
# of intraclass correlations from .1 to .8, 8 to 200 patients and shares from .8 to .97: less
# covers too little with 20 patients, more too much with 60.
PRIOR_OF_SHARES, PRIOR_OF_RANKS = 0.2, 1.0


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


def effective_number(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns how many independent images carry as much about a share as these groups of them.

    How alike images of one group turn out is estimated from the pairs within
    groups (the analysis of variance's intraclass correlation). It is drawn
    towards 1 where few groups have an error or a hit: without any errors the
    result is that of `effective_groups`.

    Args:
      hits: of each group, float [groups, ...].
      sizes: images of each group that the share counts, >= hits, float [groups, ...].

    Returns:
      Float [...], between `effective_groups` and the number of images; 0 where there are none.

    Source: Rao and Scott 1992, Biometrics 48(2), for the effective number; the
      pull towards 1 is this project's, see PRIOR_OF_SHARES.
    """
    total, pairs = sizes.sum(axis=0), (sizes * (sizes - 1)).sum(axis=0)
    share = hits.sum(axis=0) / np.maximum(total, 1)
    spread = share * (1 - share)
    groups = (sizes > 0).sum(axis=0)
    between = np.square(hits - share * sizes).sum(axis=0) * groups / np.maximum(groups - 1, 1)
    known = pairs * spread > 0
    alike = np.clip((between - total * spread) / np.where(known, pairs * spread, 1), 0, 1)
    several = sizes > 1
    evidence = np.minimum(
        effective_groups(hits * several), effective_groups((sizes - hits) * several)
    )
    alike = (evidence * alike + PRIOR_OF_SHARES) / (evidence + PRIOR_OF_SHARES)
    return np.square(total) / np.maximum(total + alike * pairs, 1)


def few_events(share: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns whether hits or errors are fewer than FEW_EVENTS effective groups."""
    return np.minimum(share, 1 - share) * groups < FEW_EVENTS


def wilson_interval(
    share: np.ndarray, groups: np.ndarray, level: float, *, freedom: np.ndarray | float = np.inf
) -> np.ndarray:
    """Returns Wilson's score interval of a share, float [2, ...]: low and high.

    Args:
      share: in [0, 1], float [...]; NaN gives NaN.
      groups: number of observations, need not be whole, > 0, float [...].
      level: of confidence, in (0, 1).
      freedom: degrees of freedom of Student's quantile in place of the normal one, where
        `groups` is an estimate: the number of patients - 1; below 1 counts as 1; float [...].

    Source: Wilson 1927, JASA 22(158); no continuity correction.
    """
    share = np.asarray(share, np.float64)
    n = np.where(np.isnan(share), 1.0, groups)
    z = quantile(level, freedom)
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


def auroc_interval(
    auroc: float,
    positives: float,
    negatives: float,
    level: float,
    *,
    factor: float = 1.0,
    freedom: float = np.inf,
) -> np.ndarray:
    """Returns a score interval of an AUROC, float [2]; also for one of exactly 1.

    The bounds are where the estimate lies z standard errors away, each with the
    standard error at that bound.

    Args:
      auroc: in [0, 1].
      positives: effective number of positive groups, > 0.
      negatives: effective number of negative groups, > 0.
      level: of confidence, in (0, 1).
      factor: what the variance is multiplied by, > 0: `variance_factor`.
      freedom: as in `wilson_interval`.

    Source: Newcombe 2006, Statistics in Medicine 25(4), method 5, with the
      variance of Hanley and McNeil 1982.
    """
    z = quantile(level, freedom)

    def beyond(theta: float) -> float:
        variance = factor * hanley_mcneil_variance(theta, positives, negatives)
        return (theta - auroc) ** 2 - z**2 * variance

    low = optimize.brentq(beyond, 0, auroc) if beyond(auroc) < 0 else _below(beyond, auroc)
    high = optimize.brentq(beyond, auroc, 1) if beyond(auroc) < 0 else _above(beyond, auroc)
    return np.array([low, high])


def variance_factor(variance: float, assumed: float, evidence: float) -> float:
    """Returns how a variance compares with the one assumed, drawn towards 1.

    For figures of ranks, AUROC and average precision: the variance assumed from
    their size knows neither the shape of the scores nor how alike images of one
    patient are, and the one seen in few patients with a loss is worth little.

    Args:
      variance: seen when groups are drawn, >= 0.
      assumed: with one image a group, >= 0.
      evidence: effective number of groups that share the loss, >= 0; 0 gives 1.
    """
    if evidence == 0 or assumed == 0:
        return 1.0
    return (evidence * variance / assumed + PRIOR_OF_RANKS) / (evidence + PRIOR_OF_RANKS)


def hanley_mcneil_variance(auroc: float, positives: float, negatives: float) -> float:
    """Returns the variance of an AUROC of independent images by its size alone.

    Args:
      auroc: in [0, 1].
      positives: number of positives, > 0.
      negatives: number of negatives, > 0.

    Source: Hanley and McNeil 1982, Radiology 143(1), with both counts at their mean in the
      numerator, as in Newcombe 2006, method 5.
    """
    half_sum = (positives + negatives) / 2
    pairs = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)
    return auroc * (1 - auroc) * (1 + max(half_sum - 1, 0) * pairs) / (positives * negatives)


def quantile(level: float, freedom: np.ndarray | float = np.inf) -> Any:
    """Returns Student's two-sided quantile, the normal one at infinite freedom; at least 1 counts.

    Args:
      level: of confidence, in (0, 1).
      freedom: degrees of freedom, float [...].
    """
    return stats.t.isf((1 - level) / 2, np.maximum(freedom, 1))


def _below(beyond, auroc: float) -> float:
    """At an AUROC of 1 `beyond` is 0 there and negative just below it."""
    return 0.0 if auroc == 0 else optimize.brentq(beyond, 0, auroc - 1e-9)


def _above(beyond, auroc: float) -> float:
    return 1.0 if auroc == 1 else optimize.brentq(beyond, auroc + 1e-9, 1)
