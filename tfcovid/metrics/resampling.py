"""The group bootstrap's arithmetic, for all resamples at once.

A resample is a weight for each group: how often it was drawn. Every figure is
then a weighted one, so that 2,000 resamples of 5,000 images take seconds.
"""

import numpy as np

# Images x resamples held at a time for AUROC, in float64: 64 MB.
CHUNK_VALUES = 8_000_000


def group_weights(
    labels: np.ndarray, index: np.ndarray, *, resamples: int, seed: int
) -> np.ndarray:
    """Returns how often each group is drawn, float64 [resamples, num_groups].

    Groups are drawn with replacement within their class; a group of several
    classes counts for the one that the fewest groups have.

    Args:
      labels: class indices int [n].
      index: group of each image, 0 … num_groups - 1, int [n].
      resamples: number of draws.
      seed: of the generator.
    """
    stratum = group_strata(labels, index)
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, stratum.size))
    for class_index in np.unique(stratum):
        members = np.flatnonzero(stratum == class_index)
        even = np.full(members.size, 1 / members.size)
        weights[:, members] = rng.multinomial(members.size, even, size=resamples)
    return weights


def group_strata(labels: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns the class of each group, the rarest (by groups) where it has several, int [g]."""
    members = np.zeros((index.max() + 1, labels.max() + 1), bool)
    members[index, labels] = True
    rarity = np.where(members, members.sum(axis=0), np.iinfo(np.int64).max)
    return np.argmin(rarity, axis=1)


def group_sums(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns the sum of the values of each group, float64 [num_groups]."""
    return np.bincount(index, weights=values)


def group_confusions(
    labels: np.ndarray, decisions: np.ndarray, index: np.ndarray, num_classes: int
) -> np.ndarray:
    """Returns each group's confusion matrix, flat, float64 [num_groups, num_classes^2]."""
    confusions = np.zeros((index.max() + 1, num_classes**2))
    np.add.at(confusions, (index, labels * num_classes + decisions), 1)
    return confusions


def matrix_figures(flat: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the figures of many confusion matrices; NaN where one is not defined.

    Args:
      flat: confusion matrices, rows the truth, float [resamples, num_classes^2].

    Returns:
      accuracy, balanced_accuracy, macro_f1, mcc, cohen_kappa [resamples];
      recall, precision, specificity, f1 [resamples, num_classes].
    """
    k = round(flat.shape[1] ** 0.5)
    matrices = flat.reshape(-1, k, k)
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    truths, decided = matrices.sum(axis=2), matrices.sum(axis=1)
    total = truths.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / truths
        f1 = 2 * hits / (truths + decided)
        accuracy = hits.sum(axis=1) / total
        by_chance = np.sum(truths * decided, axis=1) / total**2
        agreement = hits.sum(axis=1) * total - np.sum(truths * decided, axis=1)
        spread = (total**2 - np.sum(truths**2, axis=1)) * (total**2 - np.sum(decided**2, axis=1))
        return {
            "accuracy": accuracy,
            "balanced_accuracy": _mean_where(recall, truths > 0),
            "macro_f1": _mean_where(f1, truths > 0),
            # Gorodkin 2004, Comput. Biol. Chem. 28: the multi-class form of Matthews.
            "mcc": np.where(spread > 0, agreement / np.sqrt(spread), 0.0),
            "cohen_kappa": (accuracy - by_chance) / (1 - by_chance),
            "recall": recall,
            "precision": hits / decided,
            "specificity": (total[:, None] - truths - decided + hits) / (total[:, None] - truths),
            "f1": f1,
        }


def resampled_auroc(
    truth: np.ndarray, scores: np.ndarray, index: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns the area under the ROC curve in each resample, ties counting half, [resamples].

    Args:
      truth: bool [n], both values occur.
      scores: float [n].
      index: group of each image, int [n].
      weights: float [resamples, num_groups].
    """
    order = np.argsort(scores, kind="stable")
    truth, group = truth[order], index[order]
    # Images of one score share a step of the curve.
    steps = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    chunk = max(1, CHUNK_VALUES // len(scores))
    return np.concatenate(
        [
            _auroc(truth, weights[start : start + chunk][:, group], steps)
            for start in range(0, len(weights), chunk)
        ]
    )


def _auroc(truth: np.ndarray, weights: np.ndarray, steps: np.ndarray) -> np.ndarray:
    positives = np.add.reduceat(weights * truth, steps, axis=1)
    negatives = np.add.reduceat(weights * ~truth, steps, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        return np.sum(positives * below, axis=1) / pairs


def _mean_where(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns the row means over the entries that are present."""
    return np.sum(np.where(present, values, 0), axis=1) / present.sum(axis=1)
