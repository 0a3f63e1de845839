"""Two subjects measured in turn: medians, and how far the ratio of a pair of rounds wanders."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times as fast one is as the other.

    Attributes:
      median: of the ratios of the pairs.
      low: the smallest of them.
      high: the largest.
    """

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def paired_ratio(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Ratio:
    """Returns their time over ours, pair by pair.

    Args:
      ours: seconds of each step, one sequence a round.
      theirs: likewise; round i of both were measured one after the other.

    Raises:
      ValueError: if the numbers of rounds differ, or there are none.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"expected pairs of rounds. Received: {len(ours)} and {len(theirs)}")
    ratios = [np.median(other) / np.median(own) for own, other in zip(ours, theirs, strict=True)]
    return Ratio(float(np.median(ratios)), float(min(ratios)), float(max(ratios)))


def median_s(rounds: Sequence[Sequence[float]]) -> float:
    """Returns the median of all steps of all rounds, in seconds."""
    return float(np.median([seconds for of_round in rounds for seconds in of_round]))
