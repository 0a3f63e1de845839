"""The variance of an AUROC and of the difference of two, from where each image is placed.

A placement is the share of the other class that an image is on the right side
of. SciPy and scikit-learn have no such variance.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy import stats

from tfcovid.metrics.small_samples import effective_groups

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class GroupedAuroc:
    """An AUROC with what groups of images say about how far it can be believed.

    Attributes:
      value: in [0, 1].
      variance: of the value when groups are drawn, >= 0.
      positives: groups with a positive image.
      negatives: groups with a negative image.
      evidence: effective number of groups that share what is lost (or won), the
        smaller of the two classes'; 0 for a value of 0 or 1.
    """

    value: float
    variance: float
    positives: int
    negatives: int
    evidence: float


def placements(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where the images lie: of each positive, then of each negative.

    Both have the AUROC as their mean.

    Args:
      positive: bool [n], both values present.
      scores: float [n]; equal scores count half.

    Returns:
      Share of the negatives below each positive, float64 [positives], and of the
      positives above each negative, float64 [negatives].

    Source: DeLong et al. 1988, Biometrics 44(3); by midranks as Sun and Xu 2014,
      IEEE Signal Processing Letters 21(11).
    """
    positive, scores = np.asarray(positive, bool), np.asarray(scores, np.float64)
    of_all = stats.rankdata(scores)
    m, n = positive.sum(), (~positive).sum()
    below = (of_all[positive] - stats.rankdata(scores[positive])) / n
    above = 1 - (of_all[~positive] - stats.rankdata(scores[~positive])) / m
    return below, above


def grouped_auroc(
    positive: np.ndarray, scores: np.ndarray, group_index: np.ndarray
) -> GroupedAuroc:
    """Returns the AUROC with its variance by groups of images.

    Args:
      positive: bool [n], both values present.
      scores: float [n].
      group_index: int [n] in [0, groups).

    Source: Obuchowski 1997, Biometrics 53(2), eq. 4-6.
    """
    positive = np.asarray(positive, bool)
    auroc = placements(positive, scores)[0].mean()
    sides, shares, counts, evidence = [], [], [], []
    for of_side, placed in zip((positive, ~positive), placements(positive, scores), strict=True):
        index, groups = group_index[of_side], int(group_index.max()) + 1
        won, images = np.bincount(index, placed, groups), np.bincount(index, minlength=groups)
        shares.append((won - auroc * images) / images.sum())
        counts.append(int((images > 0).sum()))
        sides.append(np.square(shares[-1]).sum() * _correction(counts[-1]))
        evidence.append(min(effective_groups(won), effective_groups(images - won)))
    crossed = 2 * (shares[0] @ shares[1]) * _correction(len(shares[0]))
    return GroupedAuroc(
        value=float(auroc),
        variance=float(max(sum(sides) + crossed, 0.0)),
        positives=counts[0],
        negatives=counts[1],
        evidence=float(min(evidence)),
    )


def auroc_covariance(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the covariance of the AUROCs of several systems on the same independent images.

    Args:
      positive: bool [n], at least two of both values.
      scores: of each system, float [systems, n].

    Returns:
      Float64 [systems, systems].

    Raises:
      ValueError: if one of the two classes has fewer than two images.

    Source: DeLong et al. 1988, Biometrics 44(3), eq. 5-7.
    """
    positive = np.asarray(positive, bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise ValueError(
            "DeLong's covariance needs two positive and two negative images. "
            f"Received: {m} positive, {n} negative"
        )
    placed = [placements(positive, of_system) for of_system in np.asarray(scores)]
    below, above = (np.stack(side) for side in zip(*placed, strict=True))
    return np.atleast_2d(np.cov(below)) / m + np.atleast_2d(np.cov(above)) / n


def delong_test(
    positive: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray, *, level: float = LEVEL
) -> dict[str, Any]:
    """Returns DeLong's test of two correlated AUROCs on independent images, ready for JSON.

    Args:
      positive: bool [n], one image a patient, at least two of both values.
      scores_a: of the one system, float [n].
      scores_b: of the other, float [n].
      level: of confidence, in (0, 1).

    Returns:
      a, b, difference (a - b), standard_error, low, high, level, p_value (two-sided;
      1 where both place every image alike), n_positive, n_negative.

    Raises:
      ValueError: as `auroc_covariance`.

    Source: DeLong et al. 1988, Biometrics 44(3).
    """
    positive = np.asarray(positive, bool)
    covariance = auroc_covariance(positive, np.stack([scores_a, scores_b]))
    a, b = (float(placements(positive, scores)[0].mean()) for scores in (scores_a, scores_b))
    error = float(np.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0)))
    away = stats.norm.isf((1 - level) / 2) * error
    z = abs(a - b) / error if error > 0 else (np.inf if a != b else 0.0)
    return {
        "a": a,
        "b": b,
        "difference": a - b,
        "standard_error": error,
        "low": max(a - b - away, -1.0),
        "high": min(a - b + away, 1.0),
        "level": level,
        "p_value": float(2 * stats.norm.sf(z)),
        "n_positive": int(positive.sum()),
        "n_negative": int((~positive).sum()),
    }


def _correction(groups: int) -> float:
    return groups / max(groups - 1, 1)
