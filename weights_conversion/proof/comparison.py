"""How far two results are apart, and what follows from it."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

INFERENCE_LIMIT = 1e-5
TRAINING_LIMIT = 1e-9

GRADIENTS = "gradients"
"""How the mode of a comparison of gradients begins."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far two results are apart.

    Attributes:
      mode: what was run and looked at: "inference, float32, 64x96 px", "training, …" after a stage;
        "gradients, …", "moving statistics, …" of a batch norm.
      stage: after which stage, or of which batch norm.
      difference: norm of the difference over norm of the source network's result.
      limit: above which the conversion is refused.
    """

    mode: str
    stage: str
    difference: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the limit; one that is no number is not."""
        return self.difference <= self.limit


def relative_difference(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Returns the norm of all differences over the norm of all values of the source.

    Args:
      pairs: (Keras, source) arrays of equal shapes; of unequal ones the difference is infinite.
    """
    pairs = list(pairs)
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return math.inf
    ours = np.concatenate([np.ravel(pair[0]) for pair in pairs])
    theirs = np.concatenate([np.ravel(pair[1]) for pair in pairs])
    norm = float(np.linalg.norm(theirs.astype(np.float64)))
    difference = float(np.linalg.norm(ours.astype(np.float64) - theirs))
    return difference / norm if norm > 0 else (0.0 if difference == 0 else math.inf)


def refuse_difference(comparisons: Iterable[Comparison]) -> None:
    """Raises ValueError if a comparison does not hold; it says where the networks part."""
    before = ""
    for comparison in comparisons:
        if not comparison.holds:
            equal = f", equal up to {before}" if before else ""
            raise ValueError(
                "the Keras network is not the source network: they differ by "
                f"{comparison.difference:.1e} (limit {comparison.limit:.0e}) at "
                f"{comparison.stage}{equal}; {comparison.mode}"
            )
        before = comparison.stage


def summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """Returns the largest difference of each mode and how much was compared, for JSON.

    Where one difference is no number, the largest is none either.
    """
    largest: dict[str, float] = {}
    count = 0
    for count, comparison in enumerate(comparisons, start=1):  # noqa: B007
        kind = comparison.mode.split(",")[0]
        # Python's max would pass over NaN.
        largest[kind] = float(np.maximum(largest.get(kind, 0.0), comparison.difference))
    return {
        "largest_relative_difference": largest,
        "limits": {"inference": INFERENCE_LIMIT, "training": TRAINING_LIMIT},
        "comparisons": count,
    }
