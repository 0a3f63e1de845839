"""Probabilities from logits, and how far they can be believed."""

from typing import Any

import numpy as np
from scipy import special


def probabilities_from_logits(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities float64 [n, max(2, num_outputs)].

    Args:
      logits: float [n, num_outputs]. One column is the log odds of the second of
        two classes (sigmoid); more are one a class (softmax).

    Raises:
      ValueError: if logits are not [n, num_outputs] or not finite.
    """
    return np.exp(_log_probabilities(checked_logits(logits)))


def expected_calibration_error(probs: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Returns the top-label expected calibration error, in [0, 1].

    Mean over the images of |accuracy - confidence| of their bin; bins have equal
    width, confidence is the largest probability.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
      bins: number of bins, >= 1.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    probs = np.asarray(probs, np.float64)
    confidence, hit = probs.max(axis=1), probs.argmax(axis=1) == np.asarray(labels)
    gaps = np.bincount(_bin_of(confidence, bins), hit - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(probs))


def reliability_bins(
    probs: np.ndarray, labels: np.ndarray, bins: int = 15
) -> list[dict[str, float]]:
    """Returns what a reliability diagram shows: the bins of `expected_calibration_error`.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
      bins: number of bins of equal width, >= 1.

    Returns:
      For each bin that has an image, from low to high: low, high, n_images, confidence (mean
      of the largest probability) and accuracy (share of images whose likeliest class is theirs).
    """
    probs = np.asarray(probs, np.float64)
    return _binned(probs.max(axis=1), probs.argmax(axis=1) == np.asarray(labels), bins)


def reliability_of_class(
    said: np.ndarray, of_class: np.ndarray, bins: int = 10
) -> list[dict[str, float]]:
    """Returns what a reliability diagram of one class shows.

    That of the likeliest class says little of a rare one, which seldom is the likeliest.

    Args:
      said: the class's probability, float [n].
      of_class: whether an image is of it, bool [n].
      bins: number of bins of equal width, >= 1.

    Returns:
      As `reliability_bins`; confidence is the mean probability, accuracy the share of the class.
    """
    return _binned(np.asarray(said, np.float64), np.asarray(of_class), bins)


def _binned(confidence: np.ndarray, hit: np.ndarray, bins: int) -> list[dict[str, float]]:
    of_bin = _bin_of(confidence, bins)
    return [
        {
            "low": index / bins,
            "high": (index + 1) / bins,
            "n_images": int((of_bin == index).sum()),
            "confidence": float(confidence[of_bin == index].mean()),
            "accuracy": float(hit[of_bin == index].mean()),
        }
        for index in map(int, np.unique(of_bin))
    ]


def log_loss(probs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over images of -log of their class's probability, in nats.

    A probability of 0 counts as the smallest float32 above it, so that the mean stays finite.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
    """
    of_class = np.asarray(probs, np.float64)[np.arange(len(probs)), np.asarray(labels)]
    return float(-np.log(np.maximum(of_class, np.finfo(np.float32).tiny)).mean())


def calibration_figures(probs: np.ndarray, labels: np.ndarray, *, positive: int) -> dict[str, Any]:
    """Returns log_loss, brier, ece and the bins of the reliability diagrams, ready for JSON.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
      positive: the class that has a diagram of its own.
    """
    of_positive = np.asarray(labels) == positive
    return {
        "log_loss": log_loss(probs, labels),
        "brier": brier_score(probs, labels),
        "ece": expected_calibration_error(probs, labels),
        "reliability": reliability_bins(probs, labels),
        "reliability_of_class": reliability_of_class(probs[:, positive], of_positive),
    }


def brier_score(probs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over images of the squared error summed over classes, in [0, 2].

    With two classes this is twice the score of the positive class alone.

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].

    Source: Brier 1950, Monthly Weather Review 78(1), eq. 2.
    """
    return float(brier_terms(probs, labels).mean())


def brier_terms(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns each image's term of `brier_score`, float64 [n]."""
    probs = np.asarray(probs, np.float64)
    truth = np.eye(probs.shape[1])[np.asarray(labels)]
    return np.square(probs - truth).sum(axis=1)


def _bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Returns each confidence's bin, int [n]; one on an edge belongs to the bin below it."""
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def checked_logits(logits: np.ndarray) -> np.ndarray:
    """Returns logits as float64 [n, num_outputs].

    Raises:
      ValueError: as `probabilities_from_logits`.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[1] == 0 or not np.isfinite(logits).all():
        raise ValueError(
            "logits must be finite, [n, num_outputs]. "
            f"Received: shape {logits.shape}, {int((~np.isfinite(logits)).sum())} not finite"
        )
    return logits


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    if logits.shape[1] == 1:
        return np.hstack([special.log_expit(-logits), special.log_expit(logits)])
    return special.log_softmax(logits, axis=1)
