"""From logits to a decision: what is chosen on the validation split and then kept."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    apply_temperature,
    fit_temperature,
    probabilities_from_logits,
    youden_threshold,
)


@dataclasses.dataclass(frozen=True)
class DecisionRule:
    """A temperature and, for two classes, the threshold of the second.

    Attributes:
      classes: names in the order of the probabilities.
      temperature: what logits are divided by, > 0.
      threshold: the second class is decided from this probability on; None for
        more than two classes, where the largest probability decides.
    """

    classes: tuple[str, ...]
    temperature: float
    threshold: float | None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities [n, num_classes] from logits [n, 1 or num_classes]."""
        return probabilities_from_logits(apply_temperature(logits, self.temperature))

    def decide(self, probs: np.ndarray) -> np.ndarray:
        """Returns class indices int64 [n] from probabilities [n, num_classes]."""
        if self.threshold is None:
            return np.argmax(probs, axis=1)
        # float32 on both sides: the served module compares the same numbers.
        return (probs[:, 1].astype(np.float32) >= np.float32(self.threshold)).astype(np.int64)

    def doubts(self) -> list[str]:
        """Returns a line where the validation split did not determine the temperature."""
        inside = 1.01 * MIN_TEMPERATURE < self.temperature < 0.99 * MAX_TEMPERATURE
        if inside:
            return []
        return [
            f"The temperature {self.temperature:.3g} lies at its bound: the validation split does "
            "not determine it, and the probabilities are not calibrated."
        ]

    def describe(self, *, n_images: int, n_patients: int) -> dict[str, Any]:
        """Returns the content of decision.json."""
        return {
            "temperature": self.temperature,
            "rule": "largest probability" if self.threshold is None else "threshold",
            "thresholds": {} if self.threshold is None else {self.classes[1]: self.threshold},
            "how": "temperature: lowest log-loss"
            + ("" if self.threshold is None else "; threshold: largest Youden index"),
            "chosen_on": {"split": "validation", "n_images": n_images, "n_patients": n_patients},
        }


def rule_from_description(classes: Sequence[str], described: dict[str, Any]) -> DecisionRule:
    """Returns the rule that decision.json describes.

    Raises:
      ValueError: if an entry is missing.
    """
    try:
        thresholds = described["thresholds"]
        return DecisionRule(
            tuple(classes),
            float(described["temperature"]),
            float(thresholds[classes[1]]) if thresholds else None,
        )
    except KeyError as error:
        raise ValueError(f"decision.json: expected an entry {error}, found none") from error


def choose_decision_rule(
    classes: Sequence[str], validation_logits: np.ndarray, validation_labels: np.ndarray
) -> DecisionRule:
    """Returns the rule chosen on the validation split, which the test split never moves.

    Args:
      classes: names in the order of the logits.
      validation_logits: float [n, 1] for two classes, else [n, num_classes].
      validation_labels: class indices int [n].
    """
    rule = DecisionRule(
        tuple(classes), fit_temperature(validation_logits, validation_labels), threshold=None
    )
    if len(classes) > 2:
        return rule
    probs = rule.probabilities(validation_logits)
    return dataclasses.replace(
        rule, threshold=float(youden_threshold(validation_labels, probs[:, 1]))
    )
