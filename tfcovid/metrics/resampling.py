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
    positive, group_index = positive[order], group_index[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    step = max(1, _CHUNK // len(scores))
    # Whole numbers and halves far below 2^23: float32 holds them exactly, in half the memory.
    weights = weights.astype(np.float32)
    parts = [
        _auroc_of_sorted(positive, starts, weights[first : first + step].take(group_index, axis=1))
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
