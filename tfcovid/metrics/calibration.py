"""Probabilities from logits, how far they can be believed, and the threshold put on them."""

import numpy as np
from scipy import optimize, special
from sklearn import metrics

# A temperature at a bound says that validation does not determine it, for
# example when it is classified without an error.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0

# What decides when no threshold is better than chance.
NEUTRAL_THRESHOLD = 0.5


def probabilities_from_logits(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities float64 [n, max(2, num_outputs)].

    Args:
      logits: float [n, num_outputs]. One column is the log odds of the second of
        two classes (sigmoid); more are one a class (softmax).

    Raises:
      ValueError: if logits are not [n, num_outputs] or not finite.
    """
    return np.exp(_log_probabilities(_checked_logits(logits)))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Returns logits / temperature, float64 of the same shape.

    Raises:
      ValueError: if temperature is not finite and > 0.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be finite and > 0. Received: {temperature}")
    return np.asarray(logits, np.float64) / temperature


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature with the lowest mean log-loss on the examples given.

    Args:
      logits: float [n, num_outputs], as in `probabilities_from_logits`, n >= 1.
      labels: class indices int [n].

    Returns:
      Temperature in [MIN_TEMPERATURE, MAX_TEMPERATURE].

    Raises:
      ValueError: if shapes do not fit, a label is out of range, or logits are not finite.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    logits, labels = _checked_logits(logits), np.asarray(labels)
    num_classes = max(2, logits.shape[1])
    if (
        labels.shape != (len(logits),)
        or labels.size == 0
        or not np.isin(labels, range(num_classes)).all()
    ):
        raise ValueError(
            f"labels must be integers in [0, {num_classes}), one for each of {len(logits)} rows of "
            f"logits, at least one. Received: shape {labels.shape}, "
            f"values {np.unique(labels)[:10].tolist()}"
        )

    def log_loss(log_temperature: float) -> float:
        log_probs = _log_probabilities(logits / np.exp(log_temperature))
        return -log_probs[np.arange(len(labels)), labels].mean()

    # The log-loss is convex in 1 / temperature: it has one minimum in any scale of it.
    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    inner = optimize.minimize_scalar(
        log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(min([inner.x, *bounds], key=log_loss)))


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
    # A confidence on an edge belongs to the bin below it.
    of_bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(of_bin, hit - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(probs))


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


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the threshold with the largest sensitivity + specificity - 1.

    A score >= the threshold is decided positive. The threshold lies halfway to
    the next lower score, so that rounding a score cannot flip its decision; the
    highest threshold wins a tie.

    Args:
      labels: 0 or 1, [n], both present.
      scores: probability of the positive class, float [n] in [0, 1].

    Returns:
      Threshold in [0, 1]; NEUTRAL_THRESHOLD where none is better than chance.

    Raises:
      ValueError: if one of the two classes is missing or a score is not finite.

    Source: Youden 1950, Cancer 3(1).
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if not np.array_equal(np.unique(labels), [0, 1]) or not np.isfinite(scores).all():
        raise ValueError(
            "a threshold needs finite scores and images of both classes. Received: labels "
            f"{np.unique(labels)[:10].tolist()}, {int((~np.isfinite(scores)).sum())} scores that "
            "are not finite. Give the validation split images of both."
        )
    false_positive, true_positive, at = metrics.roc_curve(labels, scores, drop_intermediate=False)
    index = true_positive - false_positive
    best = int(np.argmax(index))
    if index[best] <= 0:
        return NEUTRAL_THRESHOLD
    below = at[best + 1] if best + 1 < len(at) else 0.0
    return float((at[best] + below) / 2)


def _checked_logits(logits: np.ndarray) -> np.ndarray:
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
