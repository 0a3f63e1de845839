"""Intervals of the figures that come from probabilities: calibration error, AUROC, AUPRC."""

import numpy as np
from sklearn import metrics

from tfcovid.metrics import small_samples
from tfcovid.metrics.bounds import (
    BOYD,
    FOLLOWED,
    NEWCOMBE,
    UNBIASED,
    Bounds,
    including,
)
from tfcovid.metrics.calibration import expected_calibration_error
from tfcovid.metrics.delong import grouped_auroc
from tfcovid.metrics.resampling import weighted_average_precision, weighted_calibration_gaps


def ece_bounds(labels, probs, group_index, weights, level) -> Bounds:
    """Returns the bounds of the calibration error, which noise alone lifts above 0.

    Noise of the bins adds no more than its own size to the error: the lower
    bound is what is left of the estimate without that of nearly every
    resample. The distance from the estimate to the upper bound is that of the
    low resamples, which lie above it as far as it lies above the truth. With
    few errors of the largest probability it may move as far as its accuracy.

    Args:
      labels: class indices int [n].
      probs: float [n, num_classes].
      group_index: int [n] in [0, groups).
      weights: of groups, float [resamples, groups].
      level: of confidence, in (0, 1).

    Source: above, the basic bootstrap, Davison and Hinkley 1997, section 5.2;
      below, the triangle inequality.
    """
    estimate = expected_calibration_error(probs, labels)
    hits = np.bincount(group_index, probs.argmax(axis=1) == labels)
    sizes = np.bincount(group_index)
    n = small_samples.effective_number(hits, sizes)
    share = hits.sum() / sizes.sum()
    if small_samples.few_events(share, n):
        # Accuracies of bins that move by so much in all move the error by no more.
        moves = small_samples.wilson_interval(share, n, level, freedom=len(sizes) - 1) - share
        farthest = np.abs(moves).max()
        bounds = np.clip([estimate - farthest, estimate + farthest], 0, 1)
        return including(Bounds(bounds, np.array(FOLLOWED)), estimate)
    gaps = weighted_calibration_gaps(probs, labels, group_index, weights)
    once = weighted_calibration_gaps(probs, labels, group_index, np.ones((1, len(sizes))))
    noise = np.quantile(np.abs(gaps - once).sum(axis=1), level)
    lowest = np.quantile(np.abs(gaps).sum(axis=1), (1 - level) / 2)
    bounds = np.clip([estimate - noise, 2 * estimate - lowest], 0, 1)
    return including(Bounds(bounds, np.array(UNBIASED)), estimate)


def auroc_bounds(labels, probs, group_index, confusion, level) -> Bounds:
    """Returns the bounds of each class's one-against-rest AUROC; NaN where it is not defined.

    Args:
      labels: class indices int [n].
      probs: float [n, num_classes].
      group_index: int [n] in [0, groups).
      confusion: of each group, float [groups, num_classes, num_classes].
      level: of confidence, in (0, 1).
    """
    truth = confusion.sum(axis=2)
    positives = small_samples.effective_groups(truth)
    negatives = small_samples.effective_groups(truth.sum(axis=1, keepdims=True) - truth)
    values = np.full((2, probs.shape[1]), np.nan)
    for index in np.flatnonzero((positives > 0) & (negatives > 0)):
        found = grouped_auroc(labels == index, probs[:, index], group_index)
        m, n = positives[index], negatives[index]
        assumed = small_samples.hanley_mcneil_variance(found.value, m, n)
        factor = small_samples.variance_factor(found.variance, assumed, found.evidence)
        values[:, index] = small_samples.auroc_interval(
            found.value,
            m,
            n,
            level,
            factor=factor,
            freedom=min(found.positives, found.negatives) - 1,
        )
    return Bounds(values, np.full(len(positives), NEWCOMBE))


def auprc_bounds(labels, probs, group_index, confusion, weights, level) -> Bounds:
    """Returns the bounds of each class's average precision; NaN where it has no image.

    Arguments as `auroc_bounds`, and weights of groups, float [resamples, groups],
    which give the variance.

    Source: Boyd et al. 2013, Area under the precision-recall curve, ECML PKDD,
      for the binomial interval on the number of positives.
    """
    sizes = confusion.sum(axis=2)
    values = np.full((2, probs.shape[1]), np.nan)
    for index in np.flatnonzero(sizes.any(axis=0)):
        positive, scores = labels == index, probs[:, index]
        auprc = min(metrics.average_precision_score(positive, scores), 1.0)
        resampled = weighted_average_precision(positive, scores, group_index, weights)
        n = small_samples.effective_groups(sizes[:, index])
        factor = small_samples.variance_factor(
            np.nanvar(resampled), auprc * (1 - auprc) / n, min(auprc, 1 - auprc) * n
        )
        freedom = (sizes[:, index] > 0).sum() - 1
        bounds = small_samples.wilson_interval(auprc, n / factor, level, freedom=freedom)
        values[:, index] = bounds
    return Bounds(values, np.full(probs.shape[1], BOYD))
