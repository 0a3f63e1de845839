"""Whether two systems differ: predictions of whole patients are swapped at random between them.

SciPy's permutation_test calls a statistic once a draw and knows no groups; here all
draws are one multiplication.
"""

import numpy as np
from scipy import stats

from tfcovid.metrics.confusion import CLASS_FIGURES, WHOLE_FIGURES, confusion_figures

DRAWS = 10_000
METHOD = "swaps of whole patients"

# Draws x groups held at a time, in numbers.
_CHUNK = 4_000_000


def permutation_p_values(
    confusion_a: np.ndarray, confusion_b: np.ndarray, exchanges: np.ndarray, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the two-sided p-value of the difference in each figure, in (0, 1].

    Both systems are equally good where swapping their predictions of a patient
    changes nothing but chance. p = (1 + draws at least as far from 0) / (1 + draws);
    a draw in which a figure is not defined counts as far.

    Args:
      confusion_a: of each group, float [groups, num_classes, num_classes].
      confusion_b: likewise of the other system.
      exchanges: float [groups, num_classes]: `auroc_exchanges` of each class; NaN
        where it has no AUROC.
      draws: how many, >= 1.
      seed: of the draws.

    Returns:
      WHOLE_FIGURES float [], CLASS_FIGURES and auroc float [num_classes]; NaN
      where a figure is not defined.

    Source: Phipson and Smyth 2010, SAGMB 9(1), for the p-value; Bandos et al.
      2005, Statistics in Medicine 24(18), for AUROC.
    """
    groups, num_classes = confusion_a.shape[:2]
    moved = (confusion_b - confusion_a).reshape(groups, -1)
    total_a, total_b = confusion_a.sum(axis=0), confusion_b.sum(axis=0)
    seen = _differences(total_a, total_b) | {"auroc": exchanges.sum(axis=0)}
    as_far = {key: np.zeros(np.shape(value)) for key, value in seen.items()}
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // groups)
    for first in range(0, draws, step):
        size = (min(step, draws - first), groups)
        swapped = rng.integers(0, 2, size, dtype=np.int8).astype(np.float32)
        shift = (swapped @ moved.astype(np.float32)).reshape(-1, num_classes, num_classes)
        drawn = _differences(total_a + shift, total_b - shift)
        drawn["auroc"] = (1 - 2 * swapped.astype(np.float64)) @ exchanges
        for key, values in drawn.items():
            # Equal differences may differ in the last digit.
            nearer = np.abs(values) < np.abs(seen[key]) - 1e-9
            as_far[key] += (~nearer).sum(axis=0)
    return {
        key: np.where(np.isnan(value), np.nan, (1 + as_far[key]) / (1 + draws))
        for key, value in seen.items()
    }


def auroc_exchanges(
    positive: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray, group_index: np.ndarray
) -> np.ndarray:
    """Returns what each group adds to the difference of two AUROCs, float64 [groups].

    They add up to AUROC a - AUROC b. Swapping the scores of a group turns its
    sign: the kernel of a pair is odd in both of its swaps, so it is a sum of
    the two and has no product of them. The scores of a system are replaced by their
    ranks first, so that those of another scale can take their place.

    Args:
      positive: bool [n].
      scores_a: float [n].
      scores_b: float [n].
      group_index: int [n] in [0, groups).

    Returns:
      NaN for every group where one of the two classes is missing.

    Source: Bandos et al. 2005, Statistics in Medicine 24(18); ranks as Venkatraman
      and Begg 1996, Biometrika 83(4).
    """
    groups = int(group_index.max()) + 1
    if positive.all() or not positive.any():
        return np.full(groups, np.nan)
    a, b = stats.rankdata(scores_a), stats.rankdata(scores_b)
    adds = np.empty(len(positive))
    for of_class in (positive, ~positive):
        others = np.sort(np.concatenate([a[~of_class], b[~of_class]]))
        further = _share_below(others, a[of_class]) - _share_below(others, b[of_class])
        adds[of_class] = further / of_class.sum()
    # A negative image is on the right side of the positives above it.
    adds[~positive] *= -1
    return np.bincount(group_index, adds, groups)


def _share_below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns the share of `ordered` below each value; equal ones count half."""
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return below / (2 * len(ordered))


def _differences(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    of_a, of_b = confusion_figures(a), confusion_figures(b)
    return {key: of_a[key] - of_b[key] for key in (*WHOLE_FIGURES, *CLASS_FIGURES)}
