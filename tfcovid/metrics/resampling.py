"""Resamples of patients as weights: what a bootstrap multiplies instead of drawing rows."""

import numpy as np

# Resamples x images held at a time, in numbers: 4 MB of float32, which a cache holds.
_CHUNK = 1_000_000


def resample_weights(confusion: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Returns how often each resample has each group, float64 [resamples, groups].

    Groups are drawn with replacement within strata, so that every resample has
    as many groups of each class; a group with images of several classes
    belongs to the rarest of them, by groups.

    Args:
      confusion: confusion matrix of each group, float [groups, num_classes, num_classes].
      resamples: how many.
      seed: of the draw; the same seed gives the same weights.
    """
    has = confusion.sum(axis=2) > 0
    stratum = np.where(has, has.sum(axis=0), len(has) + 1).argmin(axis=1)
    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, len(confusion)))
    for index in np.unique(stratum):
        members = np.flatnonzero(stratum == index)
        draws = rng.integers(0, len(members), (resamples, len(members)))
        cells = draws + len(members) * np.arange(resamples)[:, None]
        counts = np.bincount(cells.ravel(), minlength=cells.size)
        weights[:, members] = counts.reshape(cells.shape)
    return weights


def weighted_auroc(
    positive: np.ndarray, scores: np.ndarray, group_index: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns the AUROC of each resample, float64 [resamples]; NaN without both classes.

    Args:
      positive: bool [n].
      scores: float [n]; equal scores count half.
      group_index: int [n] in [0, groups).
      weights: of groups, float [resamples, groups].
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    return _over_chunks(_auroc_of_sorted, order, starts, positive, group_index, weights)


def weighted_average_precision(
    positive: np.ndarray, scores: np.ndarray, group_index: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns the average precision of each resample, float64 [resamples]; NaN without positives.

    Arguments as `weighted_auroc`; images of equal scores are decided together,
    as in `sklearn.metrics.average_precision_score`.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) < 0])
    return _over_chunks(_precision_of_sorted, order, starts, positive, group_index, weights)


def weighted_calibration_gaps(
    probs: np.ndarray,
    labels: np.ndarray,
    group_index: np.ndarray,
    weights: np.ndarray,
    *,
    bins: int = 15,
) -> np.ndarray:
    """Returns accuracy - confidence of each bin times its share of images, [resamples, bins].

    Their sizes add up to `calibration.expected_calibration_error`.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
      group_index: int [n] in [0, groups).
      weights: of groups, float [resamples, groups].
      bins: number of bins, >= 1.
    """
    confidence = probs.max(axis=1)
    gaps = (probs.argmax(axis=1) == labels) - confidence
    of_bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    groups = weights.shape[1]
    of_group = np.bincount(group_index * bins + of_bin, gaps, groups * bins).reshape(groups, bins)
    sizes = np.bincount(group_index, minlength=groups)
    return weights @ of_group / (weights @ sizes)[:, None]


def _over_chunks(figure, order, starts, positive, group_index, weights) -> np.ndarray:
    """Returns a figure of every resample of images that are put in order first."""
    positive, group_index = positive[order], group_index[order]
    step = max(1, _CHUNK // len(order))
    # Whole numbers and halves far below 2^23: float32 holds them exactly, in half the memory.
    weights = weights.astype(np.float32)
    parts = [
        figure(positive, starts, weights[first : first + step].take(group_index, axis=1))
        for first in range(0, len(weights), step)
    ]
    return np.concatenate(parts)


def _auroc_of_sorted(positive: np.ndarray, starts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mann-Whitney over images in ascending order of score; `starts` are where scores change."""
    positives = np.add.reduceat(weights * positive, starts, axis=1)
    negatives = np.add.reduceat(weights * ~positive, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    wins = np.einsum("rs,rs->r", positives, below, dtype=np.float64, casting="safe")
    pairs = positives.sum(axis=1, dtype=np.float64) * negatives.sum(axis=1, dtype=np.float64)
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _precision_of_sorted(
    positive: np.ndarray, starts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision over images in descending order of score."""
    positives = np.add.reduceat(weights * positive, starts, axis=1)
    found = np.cumsum(positives, axis=1)
    decided = np.cumsum(np.add.reduceat(weights, starts, axis=1), axis=1)
    # Before the first image of a resample nothing is decided, nor found.
    precision = found / np.maximum(decided, 1)
    summed = np.einsum("rs,rs->r", positives, precision, dtype=np.float64, casting="safe")
    total = found[:, -1].astype(np.float64)
    return np.divide(summed, total, out=np.full(len(weights), np.nan), where=total > 0)
