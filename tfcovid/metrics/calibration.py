"""Probabilities that mean what they say: temperature, calibration error, threshold."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import roc_curve

# A temperature outside says that the logits carry nothing (or everything) on this few images.
TEMPERATURE_RANGE = (0.05, 20.0)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature, > 0, that gives the lowest log-loss.

    Args:
      logits: float [n, 1] for two classes, else [n, num_classes].
      labels: class indices int [n].

    Raises:
      ValueError: if the shapes do not fit or a logit is not finite.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    logits = checked_logits(logits)
    labels = np.asarray(labels)
    if labels.shape != (len(logits),):
        raise ValueError(f"expected {len(logits)} labels. Received: shape {labels.shape}")

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if scaled.shape[1] == 1:
            return -float(np.mean(log_expit(np.where(labels == 1, scaled[:, 0], -scaled[:, 0]))))
        return -float(np.mean(log_softmax(scaled, axis=1)[np.arange(len(labels)), labels]))

    low, high = np.log(TEMPERATURE_RANGE)
    found = minimize_scalar(log_loss, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Returns the logits divided by the temperature, float64 of the same shape."""
    return checked_logits(logits) / temperature


def probabilities_from_logits(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities float64 [n, num_classes]; one logit becomes two columns."""
    logits = checked_logits(logits)
    if logits.shape[1] == 1:
        return np.concatenate([expit(-logits), expit(logits)], axis=1)
    return softmax(logits, axis=1)


def expected_calibration_error(probs: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Returns the gap between confidence and accuracy of the largest probability, in [0, 1].

    Args:
      probs: float [n, num_classes].
      labels: class indices int [n].
      bins: of equal width over [0, 1].

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def brier_score(probs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean squared distance to the one-hot truth, summed over classes, in [0, 2].

    Source: Brier 1950, Monthly Weather Review 78(1).
    """
    truth = np.eye(probs.shape[1])[labels]
    return float(np.mean(np.sum((probs - truth) ** 2, axis=1)))


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the threshold with the largest sensitivity + specificity - 1.

    It lies halfway to the next lower score, so that no image stands on it.

    Args:
      labels: 0 or 1, int [n]; both occur.
      scores: probability of 1, float [n].

    Source: Youden 1950, Cancer 3(1).
    """
    false_positives, true_positives, thresholds = roc_curve(labels, scores)
    best = thresholds[np.argmax(true_positives - false_positives)]
    if not np.isfinite(best):  # no score separates anything: the one that decides none
        return float(np.nextafter(scores.max(), np.inf))
    below = scores[scores < best]
    return float((best + below.max()) / 2 if below.size else best / 2)


def checked_logits(logits: np.ndarray) -> np.ndarray:
    """Returns finite logits as float64 [n, k].

    Raises:
      ValueError: if they are not two-dimensional or not finite.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise ValueError(
            f"expected finite logits [n, 1 or num_classes]. Received: shape {logits.shape}, "
            f"{np.count_nonzero(~np.isfinite(logits))} not finite"
        )
    return logits
