"""What an exported file says beside the network that was scored, on the same images."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Classify = Callable[[np.ndarray], np.ndarray]
"""From images uint8 [n, size, size, 1] to probabilities float32 [n, num_classes]."""

TOLERANCE = 1e-4
"""How far a probability of an export in float32 may lie from the network's."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far two classifiers are apart.

    Attributes:
      largest: largest difference of two probabilities; NaN where one is no number.
      mean: mean over images and classes.
      changed: which images are decided otherwise, bool [n].
    """

    largest: float
    mean: float
    changed: np.ndarray

    def why_refused(self, *, exact: bool) -> str | None:
        """Returns why an export may not be used, or None.

        Args:
          exact: whether its arithmetic is the network's, float32, so that it has no excuse.
        """
        if not np.isfinite(self.largest):
            return "it gives probabilities that are no numbers"
        if exact and self.largest > TOLERANCE:
            return f"a probability is {self.largest:.2g} off, more than {TOLERANCE:g}"
        if exact and self.changed.any():
            return f"{int(self.changed.sum())} of {len(self.changed)} images are decided otherwise"
        return None


def parity_of(
    reference: np.ndarray, probs: np.ndarray, decided: Sequence[str], export_decided: Sequence[str]
) -> Parity:
    """Returns how far an export is from the network.

    Args:
      reference: the network's probabilities, float [n, num_classes], n >= 1.
      probs: the export's, likewise.
      decided: what the network decides of each image, in words.
      export_decided: what is decided by the export's probabilities, likewise.

    Raises:
      ValueError: if the two are not of the same shape.
    """
    if reference.shape != probs.shape:
        raise ValueError(f"expected probabilities {reference.shape}. Received: {probs.shape}")
    apart = np.abs(probs.astype(np.float64) - reference.astype(np.float64))
    changed = np.asarray(decided, object) != np.asarray(export_decided, object)
    return Parity(float(apart.max()), float(apart.mean()), changed)


def time_side_by_side(
    subjects: Mapping[str, Classify],
    images: np.ndarray,
    *,
    rounds: int,
    budget_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[str, Any]]:
    """Returns how fast classifiers are, measured in turns, so that a busy machine slows all alike.

    The first round warms up and does not count.

    Args:
      subjects: by name.
      images: uint8 [n, size, size, 1], n >= 1; all of them are one batch, the first is the single
        image.
      rounds: how often each is measured at most, at least 1.
      budget_s: seconds after which no further round begins.
      clock: gives seconds.

    Returns:
      For each subject latency_ms (p50, p99) of a single image, images_per_second in the batch,
      batch and rounds.
    """
    seconds: dict[str, dict[int, list[float]]] = {
        name: {1: [], len(images): []} for name in subjects
    }
    began = clock()
    for done in range(rounds + 1):
        if done > 1 and clock() - began > budget_s:
            break
        for name, classify in subjects.items():
            for count, taken in seconds[name].items():
                start = clock()
                classify(images[:count])
                if done:
                    taken.append(clock() - start)
    return {name: _speed(of_counts, len(images)) for name, of_counts in seconds.items()}


def _speed(seconds: Mapping[int, Sequence[float]], batch: int) -> dict[str, Any]:
    p50, p99 = (float(x) for x in np.percentile(1000 * np.asarray(seconds[1]), [50, 99]))
    return {
        "latency_ms": {"p50": p50, "p99": p99},
        "images_per_second": float(batch / np.median(seconds[batch])),
        "batch": batch,
        "rounds": len(seconds[1]),
    }
