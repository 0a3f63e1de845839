"""From logits to findings: a calibration and a threshold for each output, classes beside them."""

import dataclasses
from typing import Any

import numpy as np
from scipy import special

from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling


@dataclasses.dataclass(frozen=True)
class FindingRule:
    """What turns the logits of findings, and of classes before them, into probabilities and both.

    Attributes:
      classes: names in the order of the probabilities: of exclusive classes, then of findings.
      scalings: from logits to calibrated logits, of each finding.
      thresholds: a finding is decided from this probability on, of each finding.
      diagnosis: the rule of the exclusive classes, or None where there are none.
    """

    classes: tuple[str, ...]
    scalings: tuple[Scaling, ...]
    thresholds: tuple[float, ...]
    diagnosis: DecisionRule | None = None

    @property
    def num_exclusive(self) -> int:
        """The number of classes that exclude each other; they stand first."""
        return 0 if self.diagnosis is None else len(self.diagnosis.classes)

    @property
    def findings(self) -> tuple[str, ...]:
        """The names of the findings."""
        return self.classes[self.num_exclusive :]

    def factor(self) -> np.ndarray:
        """Returns what logits are multiplied by, float32 [num_outputs]."""
        of_classes = [] if self.diagnosis is None else [self.diagnosis.scaling.factor()]
        return np.array(
            [*of_classes * self.num_exclusive, *(scaling.factor() for scaling in self.scalings)],
            np.float32,
        )

    def offset(self) -> np.ndarray:
        """Returns what is then added, float32 [num_outputs]."""
        of_findings = [scaling.offset(1) for scaling in self.scalings]
        if self.diagnosis is not None:
            of_findings = [self.diagnosis.scaling.offset(self.num_exclusive), *of_findings]
        return np.concatenate(of_findings)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities float32 [n, num_outputs] from logits."""
        return block_probabilities(
            np.asarray(logits, np.float32) * self.factor() + self.offset(), self.num_exclusive
        )

    def uncalibrated(self, logits: np.ndarray) -> np.ndarray:
        """Returns the network's own probabilities float32 [n, num_outputs] from logits."""
        return block_probabilities(np.asarray(logits, np.float32), self.num_exclusive)

    def decide(self, probs: np.ndarray) -> np.ndarray:
        """Returns what is decided, int8 [n, num_outputs]: 1 for has it, 0 for has not."""
        probs, first = np.asarray(probs, np.float32), self.num_exclusive
        found = probs[:, first:] >= np.asarray(self.thresholds, np.float32)
        if self.diagnosis is None:
            return found.astype(np.int8)
        classes = np.eye(first, dtype=bool)[self.diagnosis.decide(probs[:, :first])]
        return np.hstack([classes, found]).astype(np.int8)

    def in_words(self) -> str:
        """Returns calibration and decision in one line."""
        temperatures = [scaling.temperature for scaling in self.scalings]
        kind = "temperatures"
        if any(scaling.bias is not None for scaling in self.scalings):
            kind = "bias-corrected temperatures"
        found = (
            f"{kind} {min(temperatures):.3g} to {max(temperatures):.3g}, thresholds of "
            f"{len(self.thresholds)} findings {min(self.thresholds):.3g} to "
            f"{max(self.thresholds):.3g}"
        )
        return found if self.diagnosis is None else f"{self.diagnosis.in_words()}; {found}"


def block_probabilities(logits: np.ndarray, num_exclusive: int) -> np.ndarray:
    """Returns probabilities float32 [n, num_outputs] of logits [n, num_outputs].

    Args:
      logits: float, of exclusive classes (softmax), then of findings (sigmoid).
      num_exclusive: how many classes there are, 0 or more than one.
    """
    logits = np.asarray(logits, np.float64)
    parts = [np.exp(special.log_expit(logits[:, num_exclusive:]))]
    if num_exclusive:
        parts.insert(0, special.softmax(logits[:, :num_exclusive], axis=1))
    return np.hstack(parts).astype(np.float32)


def finding_rule_from(
    classes: tuple[str, ...], described: dict[str, Any], diagnosis: DecisionRule | None
) -> FindingRule:
    """Returns the rule that decision.json describes.

    Args:
      classes: names in the order of the probabilities.
      described: the content of decision.json.
      diagnosis: the rule of the exclusive classes, or None.

    Raises:
      ValueError: if an entry is missing.
    """
    first = 0 if diagnosis is None else len(diagnosis.classes)
    try:
        entries = [described["outputs"][name] for name in classes[first:]]
        return FindingRule(
            tuple(classes),
            tuple(Scaling(float(entry["temperature"]), _pair(entry["bias"])) for entry in entries),
            tuple(float(entry["threshold"]) for entry in entries),
            diagnosis,
        )
    except KeyError as error:
        raise ValueError(f"decision.json: expected an entry {error}, found none") from error


def _pair(bias: float | None) -> tuple[float, float] | None:
    """Returns the biases of absence and presence whose difference is the bias of the logit."""
    return None if bias is None else (-bias / 2, bias / 2)
