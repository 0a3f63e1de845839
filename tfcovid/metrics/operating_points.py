"""From probabilities to a decision: thresholds for one class, and what each reaches."""

import dataclasses
from typing import Any

import numpy as np

ARGMAX, BALANCED, YOUDEN = "argmax", "balanced", "youden"
SENSITIVITY, SPECIFICITY, PRECISION = "sensitivity", "specificity", "precision"
FIGURES = (SENSITIVITY, SPECIFICITY, PRECISION)
OPERATING_POINTS = (ARGMAX, BALANCED, YOUDEN, *FIGURES)

# A share that equals the value asked for but for rounding reaches it.
_ROUNDING = 1e-12


def decide(
    probs: np.ndarray,
    positive: int,
    threshold: float | None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns class indices int64 [n].

    The positive class is decided from the threshold on, whatever the others have; below it
    the largest of the others decides. Without a threshold the largest of all does, or where
    there are weights the largest product of probability and weight.

    Args:
      probs: float [n, num_classes]; compared in float32, as the exported module does.
      positive: index of the class that the threshold is for.
      threshold: in [0, 1], or None.
      weights: of the classes, float32 [num_classes], > 0; None for equal ones.
    """
    probs = np.asarray(probs, np.float32)
    if threshold is None:
        return np.argmax(
            probs if weights is None else probs * np.asarray(weights, np.float32), axis=1
        )
    others = probs.copy()
    others[:, positive] = -1
    reached = probs[:, positive] >= np.float32(threshold)
    return np.where(reached, positive, np.argmax(others, axis=1))


def balancing_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns weights n / (num_classes n_c), float32 [num_classes].

    Calibrated probabilities times these decide with the highest expected balanced accuracy. A
    class without an image counts as one.

    Args:
      labels: class indices int [n], n >= 1.
      num_classes: number of classes.
    """
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    return (len(labels) / (num_classes * counts)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and what deciding by it reached where it was chosen.

    Attributes:
      name: one of OPERATING_POINTS.
      value: of the figure of that name that was asked for; None for the others.
      threshold: of the positive class; None for argmax, balanced and where `why` is set.
      sensitivity: share of the positive images decided positive; None without one.
      specificity: share of the others not decided positive; None without one.
      precision: share of the images decided positive that are; None without one.
      why: why it cannot be reached; None where it is.
    """

    name: str
    value: float | None = None
    threshold: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    precision: float | None = None
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the entry of decision.json."""
        entry = dataclasses.asdict(self)
        del entry["name"]
        return {key: value for key, value in entry.items() if value is not None or key != "why"}


def operating_points(
    labels: np.ndarray, probs: np.ndarray, positive: int, *, value: float
) -> dict[str, OperatingPoint]:
    """Returns every operating point of one class against the rest, by name.

    argmax and balanced have no threshold; youden has the largest sensitivity + specificity - 1;
    sensitivity and precision reach the value with as high a specificity or sensitivity as
    there is, specificity reaches it with as high a sensitivity. Of equal ones the highest
    threshold is taken. A threshold lies halfway to the next lower probability, so that
    rounding a probability cannot flip its decision.

    Args:
      labels: class indices int [n], n >= 1.
      probs: calibrated probabilities float [n, num_classes], in float32's precision.
      positive: index of the class that the threshold is for.
      value: sensitivity, specificity and precision to reach, in (0, 1].

    Raises:
      ValueError: if a probability is not finite.

    Source: Youden 1950, Cancer 3(1).
    """
    probs, truth = np.asarray(probs, np.float32), np.asarray(labels) == positive
    if not np.isfinite(probs).all():
        raise ValueError(
            "thresholds need finite probabilities. Received: "
            f"{int((~np.isfinite(probs)).sum())} that are not"
        )
    weights = balancing_weights(labels, probs.shape[1])
    points = {
        name: _point(name, None, None, truth, decide(probs, positive, None, given) == positive)
        for name, given in ((ARGMAX, None), (BALANCED, weights))
    }
    if truth.all() or not truth.any():
        lacks = "no image of the class" if not truth.any() else "no image of another class"
        return points | {
            name: OperatingPoint(name, _asked(name, value), why=f"validation has {lacks}")
            for name in (YOUDEN, *FIGURES)
        }
    scores, sensitivity, specificity, precision = _curve(truth, probs[:, positive])
    index, reaches = sensitivity + specificity - 1, value - _ROUNDING
    # Name: which candidates are allowed, what is then largest, and what is wrong without any.
    wanted = {
        YOUDEN: (index > 0, index, "no threshold does better than chance"),
        SENSITIVITY: (
            (sensitivity >= reaches) & (specificity > 0),
            specificity,
            "only deciding for the class always has it",
        ),
        SPECIFICITY: (
            (specificity >= reaches) & (sensitivity > 0),
            sensitivity,
            "only deciding for the class never has it",
        ),
        PRECISION: (
            (precision >= reaches) & (sensitivity > 0),
            sensitivity,
            f"the highest precision of any threshold is {precision.max():.3f}",
        ),
    }
    for name, (allowed, goal, why) in wanted.items():
        asked = _asked(name, value)
        if not allowed.any():
            points[name] = OperatingPoint(name, asked, why=why)
            continue
        threshold = _below(scores, int(np.argmax(np.where(allowed, goal, -np.inf))))
        decided = probs[:, positive] >= np.float32(threshold)
        points[name] = _point(name, asked, threshold, truth, decided)
    return points


def _asked(name: str, value: float) -> float | None:
    return value if name in FIGURES else None


def _curve(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns the distinct scores, falling, and the three figures of deciding from each on."""
    values, place = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(place, truth))
    alarms = np.cumsum(np.bincount(place, ~truth))
    return -values, hits / hits[-1], 1 - alarms / alarms[-1], hits / (hits + alarms)


def _below(scores: np.ndarray, index: int) -> float:
    """Returns a threshold between a score and the next lower one, exact in float32."""
    lower = scores[index + 1] if index + 1 < len(scores) else np.float32(0)
    middle = np.float32((np.float64(scores[index]) + np.float64(lower)) / 2)
    return float(middle if middle > lower else scores[index])


def _point(
    name: str, value: float | None, threshold: float | None, truth: np.ndarray, decided: np.ndarray
) -> OperatingPoint:
    return OperatingPoint(
        name,
        value,
        threshold,
        sensitivity=_share(decided & truth, truth),
        specificity=_share(~decided & ~truth, ~truth),
        precision=_share(decided & truth, decided),
    )


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None
