"""What turns a network's logits into calibrated ones: one temperature, and a bias a class.

A temperature says how sure the network may be. It cannot undo a prior that class
weights or sampling shifted; a bias a class can.
"""

import dataclasses

import numpy as np
from scipy import optimize, special

from tfcovid.metrics.calibration import checked_logits, probabilities_from_logits

# A temperature at a bound says that validation does not determine it.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0

# How far, in nats, log temperature and biases lie from what is expected of them before
# validation has spoken: one standard deviation. It costs as much as one image or two, so
# hundreds of images overrule it, and without errors, or without images of a class, it
# keeps the fit finite.
PRIOR_SD = 1.0

# The log-loss with this pull has one minimum in practice; starts on both sides make sure.
_START_TEMPERATURES = (0.2, 1.0, 5.0)


@dataclasses.dataclass(frozen=True)
class Scaling:
    """Calibrated logits are logits / temperature + bias.

    Attributes:
      temperature: what logits are divided by, > 0.
      bias: added to the logit of each class, sum 0; None for none. A single logit, the
        log odds of the second of two classes, gets the difference of the two.

    Raises:
      ValueError: if temperature is not finite and > 0, or a bias is not finite.
    """

    temperature: float
    bias: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise ValueError(
                f"temperature must be finite and > 0. Received: temperature={self.temperature}"
            )
        if self.bias is not None and not np.isfinite(self.bias).all():
            raise ValueError(f"biases must be finite. Received: bias={self.bias}")

    def factor(self) -> np.float32:
        """Returns what logits are multiplied by: 1 / temperature, rounded once."""
        return np.float32(1 / self.temperature)

    def offset(self, num_outputs: int) -> np.ndarray:
        """Returns what is then added, float32 [num_outputs].

        Raises:
          ValueError: if there is not a bias for each class.
        """
        if self.bias is None:
            return np.zeros(num_outputs, np.float32)
        if len(self.bias) != max(2, num_outputs):
            raise ValueError(
                f"expected {max(2, num_outputs)} biases, one a class. Received: {len(self.bias)}"
            )
        bias = np.asarray(self.bias, np.float64)
        return (bias[1:] - bias[:1] if num_outputs == 1 else bias).astype(np.float32)

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated logits, float32 of the same shape [n, num_outputs].

        One multiplication and one addition in float32, as the exported module does it: the
        numbers are equal bit for bit.
        """
        logits = checked_logits(logits).astype(np.float32)
        return logits * self.factor() + self.offset(logits.shape[1])

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities, float32 [n, max(2, num_outputs)]."""
        return probabilities_from_logits(self.logits(logits)).astype(np.float32)


def fit_scaling(
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    with_bias: bool,
    expected_bias: np.ndarray | None = None,
    prior_sd: float = PRIOR_SD,
) -> Scaling:
    """Returns the scaling with the lowest log-loss on the examples given, mildly held.

    Minimises sum of log-losses + (log temperature)^2 / (2 sd^2) + |bias - expected|^2 / (2 sd^2)
    in nats. The second and third term are the regulariser.

    Args:
      logits: float [n, num_outputs], as in `probabilities_from_logits`, n >= 1.
      labels: class indices int [n].
      with_bias: whether a bias a class is fitted too (BCTS); without it the temperature alone.
      expected_bias: what biases are drawn towards, float [num_classes]: the shift of the prior
        where it is known, as log of the true minus log of the training prior; None for zeros.
      prior_sd: sd above, > 0; infinity for no regulariser.

    Returns:
      Temperature in [MIN_TEMPERATURE, MAX_TEMPERATURE]; biases with sum 0, or None.

    Raises:
      ValueError: if shapes do not fit, a label is out of range, or logits are not finite.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2; bias-corrected: Alexandari et al.
      2020, arXiv:1901.06852, section 3. The regulariser is ours.
    """
    scores = _two_or_more(checked_logits(logits))
    labels = _checked_labels(labels, scores)
    num_classes = scores.shape[1]
    expected = np.zeros(num_classes) if expected_bias is None else np.asarray(expected_bias)
    if expected.shape != (num_classes,):
        raise ValueError(f"expected_bias must be [{num_classes}]. Received: shape {expected.shape}")
    expected = expected - expected.mean()
    truth, precision = np.eye(num_classes)[labels], prior_sd**-2

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        inverse, bias = np.exp(-parameters[0]), parameters[1:] if with_bias else 0.0
        log_probs = special.log_softmax(inverse * scores + bias, axis=1)
        beside = np.exp(log_probs) - truth
        away = np.r_[parameters[0], parameters[1:] - expected if with_bias else []]
        value = -(log_probs * truth).sum() + precision / 2 * away @ away
        slope = np.r_[-inverse * (beside * scores).sum(), beside.sum(axis=0) if with_bias else []]
        return value / len(labels), (slope + precision * away) / len(labels)

    bounds = [np.log([MIN_TEMPERATURE, MAX_TEMPERATURE]), *[(None, None)] * num_classes]
    found = [
        optimize.minimize(
            loss,
            np.r_[np.log(start), expected] if with_bias else np.log([start]),
            jac=True,
            bounds=bounds if with_bias else bounds[:1],
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000},
        )
        for start in _START_TEMPERATURES
    ]
    best = min(found, key=lambda fit: fit.fun).x
    temperature, bias = float(np.exp(best[0])), best[1:] - best[1:].mean() if with_bias else None
    return Scaling(temperature, None if bias is None else tuple(map(float, bias)))


def prior_shift(true_prior: np.ndarray, training_prior: np.ndarray) -> np.ndarray:
    """Returns the biases that carry probabilities from one prior to another, float64 [k], sum 0.

    Args:
      true_prior: share of each class where probabilities are to hold, float [k], > 0.
      training_prior: share of each class that the loss saw, float [k], > 0.

    Source: Saerens et al. 2002, Neural Computation 14(1), eq. 2.4, as logits.
    """
    shift = np.log(np.asarray(true_prior, np.float64)) - np.log(training_prior)
    return shift - shift.mean()


def _two_or_more(logits: np.ndarray) -> np.ndarray:
    """Returns a column a class: a single logit beside the zero that it is compared with."""
    return np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits


def _checked_labels(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    labels, num_classes = np.asarray(labels), scores.shape[1]
    fits = labels.shape == (len(scores),) and labels.size > 0
    if not fits or not np.isin(labels, range(num_classes)).all():
        raise ValueError(
            f"labels must be integers in [0, {num_classes}), one for each of {len(scores)} rows of "
            f"logits, at least one. Received: shape {labels.shape}, "
            f"values {np.unique(labels)[:10].tolist()}"
        )
    return labels.astype(np.int64)
