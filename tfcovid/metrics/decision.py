"""From logits to a decision: what is chosen on the validation split and then kept."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.calibration import log_loss
from tfcovid.metrics.operating_points import (
    ARGMAX,
    BALANCED,
    OPERATING_POINTS,
    YOUDEN,
    OperatingPoint,
    balancing_weights,
    decide,
    operating_points,
)
from tfcovid.metrics.scaling import MAX_TEMPERATURE, MIN_TEMPERATURE, PRIOR_SD, Scaling, fit_scaling

# Below so many patients of a class in the validation split what was chosen for it is uncertain.
FEW_PATIENTS = 10

LARGEST = "largest probability"
LARGEST_IN_PROPORTION = "largest probability in proportion to the class's share of validation"


@dataclasses.dataclass(frozen=True)
class DecisionRule:
    """What turns logits into probabilities and a decision.

    Attributes:
      classes: names in the order of the probabilities.
      scaling: from logits to calibrated logits.
      positive: the class that the threshold is for.
      threshold: the positive class is decided from this probability on, and below it the
        largest of the others; None lets the largest of all decide.
      weights: without a threshold probabilities are multiplied by these, one a class, before
        they are compared; None for equal ones.
    """

    classes: tuple[str, ...]
    scaling: Scaling
    positive: str
    threshold: float | None = None
    weights: tuple[float, ...] | None = None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities float32 [n, num_classes] from logits."""
        return self.scaling.probabilities(logits)

    def uncalibrated(self, logits: np.ndarray) -> np.ndarray:
        """Returns the network's own probabilities float32 [n, num_classes] from logits."""
        return Scaling(1.0).probabilities(logits)

    def decide(self, probs: np.ndarray) -> np.ndarray:
        """Returns class indices int64 [n] from probabilities [n, num_classes]."""
        weights = None if self.weights is None else np.asarray(self.weights, np.float32)
        return decide(probs, self.classes.index(self.positive), self.threshold, weights)

    def in_words(self) -> str:
        """Returns calibration and decision in one line."""
        kind = "temperature" if self.scaling.bias is None else "bias-corrected temperature"
        decision = _rule_in_words(self)
        if self.threshold is not None:
            decision = f"{self.positive} from a probability of {self.threshold:.3g} on"
        return f"{kind} {self.scaling.temperature:.3g}; {decision}"


@dataclasses.dataclass(frozen=True)
class ChosenRule:
    """A rule, how it was chosen on the validation split, and what to doubt about it.

    Attributes:
      rule: what was chosen.
      record: the content of decision.json.
      doubts: lines that a reader should know before believing what the rule says.
    """

    rule: DecisionRule
    record: dict[str, Any]
    doubts: tuple[str, ...]


def rule_from_description(classes: Sequence[str], described: dict[str, Any]) -> DecisionRule:
    """Returns the rule that decision.json describes.

    Raises:
      ValueError: if an entry is missing.
    """
    try:
        point = described["operating_point"]
        return DecisionRule(
            tuple(classes),
            Scaling(
                float(described["temperature"]),
                _by_class(described["bias"], classes),
            ),
            str(point["class"]),
            None if point["threshold"] is None else float(point["threshold"]),
            _by_class(described["weights"], classes),
        )
    except KeyError as error:
        raise ValueError(f"decision.json: expected an entry {error}, found none") from error


def _by_class(values: dict[str, float] | None, classes: Sequence[str]) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(values[name]) for name in classes)


def positive_class(classes: Sequence[str], asked: str | None) -> str:
    """Returns the class that thresholds and predictive values are for.

    Args:
      classes: names in the order of the probabilities.
      asked: what the user named, or None for the last class, which the tasks are about.

    Raises:
      ValueError: if the class named is not there, or is the first of two.
    """
    if asked is None:
        return classes[-1]
    if asked not in classes or (len(classes) == 2 and asked != classes[1]):
        expected = f"{classes[1]}, the second of two" if len(classes) == 2 else ", ".join(classes)
        raise ValueError(f"--operating_class={asked}: expected {expected}")
    return asked


def choose_decision_rule(
    classes: Sequence[str],
    logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    bias_corrected: bool = False,
    expected_bias: np.ndarray | None = None,
    operating_point: str = ARGMAX,
    operating_value: float = 0.95,
    operating_class: str | None = None,
) -> ChosenRule:
    """Returns the rule chosen on the validation split, which the test split never moves.

    An operating point that validation cannot reach makes way for Youden's, and where that
    has none either for the largest probability; a doubt says so.

    Args:
      classes: names in the order of the logits.
      logits: of the validation split, float [n, 1] for two classes, else [n, num_classes].
      labels: class indices int [n].
      groups: group ids [n]; images of one patient share one.
      bias_corrected: whether a bias a class is fitted beside the temperature.
      expected_bias: what biases are drawn towards, as in `fit_scaling`.
      operating_point: one of OPERATING_POINTS.
      operating_value: sensitivity, specificity or precision to reach, in (0, 1].
      operating_class: the class that the threshold is for; None for the last one.

    Raises:
      ValueError: if the operating point or class is not one of these, or as `fit_scaling`.
    """
    if operating_point not in OPERATING_POINTS:
        raise ValueError(
            f"operating_point must be one of {', '.join(OPERATING_POINTS)}. "
            f"Received: operating_point={operating_point}"
        )
    labels, groups = np.asarray(labels), np.asarray(groups)
    positive = positive_class(classes, operating_class)
    scaling = fit_scaling(logits, labels, with_bias=bias_corrected, expected_bias=expected_bias)
    probs = scaling.probabilities(logits)
    points = operating_points(labels, probs, classes.index(positive), value=operating_value)
    reached = (name for name in (operating_point, YOUDEN, ARGMAX) if points[name].why is None)
    chosen = points[next(reached)]
    weights = None
    if chosen.name == BALANCED:
        weights = tuple(map(float, balancing_weights(labels, len(classes))))
    rule = DecisionRule(tuple(classes), scaling, positive, chosen.threshold, weights)
    patients = [int(np.unique(groups[labels == c]).size) for c in range(len(classes))]
    record = {
        "temperature": scaling.temperature,
        "bias": _named(classes, scaling.bias),
        "rule": _rule_in_words(rule),
        "thresholds": {} if chosen.threshold is None else {positive: chosen.threshold},
        "weights": _named(classes, weights),
        "how": _how(scaling, chosen),
        "log_loss": {
            "before": log_loss(Scaling(1.0).probabilities(logits), labels),
            "after": log_loss(probs, labels),
        },
        "operating_point": {"asked": operating_point, "chosen": chosen.name, "class": positive}
        | chosen.as_json(),
        "operating_points": {name: point.as_json() for name, point in points.items()},
        "chosen_on": {
            "split": "validation",
            "n_images": len(labels),
            "n_patients": int(np.unique(groups).size),
            "n_patients_per_class": dict(zip(classes, patients, strict=True)),
        },
    }
    doubts = [
        *_calibration_doubts(scaling, without_error=bool((probs.argmax(axis=1) == labels).all())),
        *_point_doubts(points[operating_point], chosen, positive),
        *_few_doubts(rule, patients),
    ]
    return ChosenRule(rule, record, tuple(doubts))


def _rule_in_words(rule: DecisionRule) -> str:
    if rule.threshold is not None:
        return "threshold"
    return LARGEST if rule.weights is None else LARGEST_IN_PROPORTION


def _named(classes: Sequence[str], values: Sequence[float] | None) -> dict[str, float] | None:
    return None if values is None else dict(zip(classes, values, strict=True))


def _how(scaling: Scaling, chosen: OperatingPoint) -> str:
    fitted = "temperature" if scaling.bias is None else "temperature and a bias a class"
    how = (
        f"{fitted}: lowest log-loss, log temperature{'' if scaling.bias is None else ' and biases'}"
        f" held by a normal prior of {PRIOR_SD:g} nat"
    )
    if chosen.threshold is None:
        return how
    if chosen.value is None:
        return f"{how}; threshold: largest Youden index"
    return f"{how}; threshold: {chosen.name} of at least {chosen.value:g}"


def _calibration_doubts(scaling: Scaling, *, without_error: bool) -> list[str]:
    doubts = []
    if without_error:
        doubts.append(
            "The validation split is classified without an error: it cannot say how sure the "
            "network may be, and the probabilities rest on what is assumed of the temperature."
        )
    if not 1.01 * MIN_TEMPERATURE < scaling.temperature < 0.99 * MAX_TEMPERATURE:
        doubts.append(
            f"The temperature {scaling.temperature:.3g} lies at its bound: the validation split "
            "does not determine it, and the probabilities are not calibrated."
        )
    return doubts


def _point_doubts(asked: OperatingPoint, chosen: OperatingPoint, positive: str) -> list[str]:
    if asked.why is None:
        return []
    value = "" if asked.value is None else f" of {asked.value:g}"
    instead = (
        "the largest probability decides" if chosen.threshold is None else "Youden's threshold is"
    )
    return [
        f"{positive}: the operating point {asked.name}{value} cannot be had on the validation "
        f"split ({asked.why}); {instead}{'' if chosen.threshold is None else ' taken'} instead."
    ]


def _few_doubts(rule: DecisionRule, patients: Sequence[int]) -> list[str]:
    """Returns a line for each class whose bias or threshold few validation patients stand for."""
    doubts = []
    for name, n in zip(rule.classes, patients, strict=True):
        own = [] if rule.scaling.bias is None else ["bias"]
        if name == rule.positive and rule.threshold is not None:
            own.append("threshold")
        if own and n < FEW_PATIENTS:
            doubts.append(
                f"{name}: only {n} patients in the validation split; its {' and '.join(own)} "
                f"rest{'s' if len(own) == 1 else ''} on these few."
            )
    return doubts
