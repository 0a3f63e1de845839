"""Whether one system is better than another on the same images, by patients."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from tfcovid.metrics import permutation
from tfcovid.metrics.bounds import percentile_bounds
from tfcovid.metrics.classification import checked_predictions
from tfcovid.metrics.confusion import confusion_figures, group_confusion
from tfcovid.metrics.intervals import LEVEL, RESAMPLES, checked_groups, group_bootstrap
from tfcovid.metrics.resampling import resample_weights, weighted_auroc
from tfcovid.metrics.significance import interval_of_difference
from tfcovid.metrics.small_samples import FEW_EVENTS, effective_groups

COMPARED = ("accuracy", "balanced_accuracy", "macro_f1")
COMPARED_OF_CLASS = ("recall", "precision", "f1", "auroc")

BOOTSTRAP = "paired bootstrap of patients within classes"
MOVER = "MOVER from both intervals and their correlation"


def compare_systems(
    labels: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    probs_a: np.ndarray,
    decisions_a: np.ndarray,
    probs_b: np.ndarray,
    decisions_b: np.ndarray,
    figures: Collection[str] | None = None,
    resamples: int = RESAMPLES,
    draws: int = permutation.DRAWS,
    level: float = LEVEL,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns the difference of two systems on the same images, figure by figure, ready for JSON.

    Seeds of a training are no sample of patients: average the probabilities of
    each system over them first.

    The interval resamples whole groups, the same ones for both systems. Where
    fewer than 10 effective groups tell the systems apart a bootstrap covers too
    little; then it is put together from the two systems' own intervals and
    their correlation, which counts the less the fewer these groups are.

    Args:
      labels: class indices int [n].
      groups: group ids [n]: images of one patient share one.
      classes: names in the order of the probabilities.
      probs_a: of the one system, float [n, num_classes].
      decisions_a: class indices int [n].
      probs_b: of the other.
      decisions_b: of the other.
      figures: keys to compare, as in Returns; None for all. Who looks at several
        gives their p-values to `holm`.
      resamples: of the bootstrap, >= 1.
      draws: of the permutation test, >= 1; no p-value is below 1 / (1 + draws).
      level: of confidence, in (0, 1).
      seed: of bootstrap and permutation.

    Returns:
      By key ('accuracy', 'balanced_accuracy', 'macro_f1', 'per_class.NAME.recall',
      precision, f1, auroc): a, b, difference (a - b), low, high, level, method,
      p_value (two-sided), p_method, n_patients, n_discordant (groups that tell the
      systems apart; of a mean over classes in the class with the fewest). A figure
      that is not defined has no entry.

    Raises:
      ValueError: if shapes do not fit, a figure is unknown, or as `classification_metrics`.

    Source: intervals put together as Newcombe 1998, Statistics in Medicine
      17(22), method 10, and Zou 2007, Psychological Methods 12(4).
    """
    labels, probs_a, decisions_a = checked_predictions(labels, probs_a, decisions_a, classes)
    _, probs_b, decisions_b = checked_predictions(labels, probs_b, decisions_b, classes)
    group_index = checked_groups(groups, len(labels))
    chosen = _chosen_figures(figures, classes)
    systems = ((probs_a, decisions_a), (probs_b, decisions_b))
    confusion_a, confusion_b = (
        group_confusion(labels, decisions, group_index, len(classes)) for _, decisions in systems
    )
    weights = np.concatenate(
        # The first row takes every group once: the estimate.
        [np.ones((1, len(confusion_a))), resample_weights(confusion_a, resamples, seed)]
    )
    exchanges = np.stack(
        [
            permutation.auroc_exchanges(
                labels == index, probs_a[:, index], probs_b[:, index], group_index
            )
            for index in range(len(classes))
        ],
        axis=1,
    )
    drawn_a = _resampled(labels, probs_a, group_index, confusion_a, weights)
    drawn_b = _resampled(labels, probs_b, group_index, confusion_b, weights)
    p_values = permutation.permutation_p_values(confusion_a, confusion_b, exchanges, draws, seed)
    apart = _apart(confusion_a, confusion_b, labels, group_index, exchanges)
    own = [
        group_bootstrap(
            labels, *system, group_index, classes, resamples=resamples, level=level, seed=seed
        )
        for system in systems
    ]
    entries = {}
    for key in chosen:
        figure, index = _place(key, classes)
        a, b = (drawn[figure].T[index] for drawn in (drawn_a, drawn_b))
        if np.isnan(a[0] - b[0]):
            continue
        effective, n_discordant = (float(value[index]) for value in apart[figure])
        intervals = (own[0][key], own[1][key])
        entries[key] = {
            **_difference(a, b, intervals, effective, level),
            "p_value": float(p_values[figure][index]),
            "p_method": permutation.METHOD,
            "n_patients": intervals[0]["n_patients"],
            "n_discordant": int(n_discordant),
        }
    return entries


def _chosen_figures(figures: Collection[str] | None, classes: Sequence[str]) -> list[str]:
    known = [
        *COMPARED,
        *(f"per_class.{name}.{key}" for name in classes for key in COMPARED_OF_CLASS),
    ]
    unknown = sorted(set(figures or ()) - set(known))
    if unknown:
        raise ValueError(f"figures must be among {known}. Received: {unknown}")
    return [key for key in known if figures is None or key in figures]


def _place(key: str, classes: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """Returns the figure's name and where its class lies in what holds all classes."""
    if key in COMPARED:
        return key, ()
    name, figure = key.removeprefix("per_class.").rsplit(".", 1)
    return figure, (list(classes).index(name),)


def _resampled(labels, probs, group_index, confusion, weights) -> dict[str, np.ndarray]:
    """Returns each figure of each resample, [resamples] or [resamples, num_classes]."""
    groups, num_classes = confusion.shape[:2]
    matrices = (weights @ confusion.reshape(groups, -1)).reshape(-1, num_classes, num_classes)
    aurocs = [
        weighted_auroc(labels == index, probs[:, index], group_index, weights)
        for index in range(num_classes)
    ]
    return {**confusion_figures(matrices), "auroc": np.stack(aurocs, axis=1)}


def _apart(confusion_a, confusion_b, labels, group_index, exchanges) -> dict[str, np.ndarray]:
    """Returns how many groups tell the systems apart, [2] or [2, num_classes]: effective, counted.

    A mean over classes is told apart by no more than its least class.
    """
    moved = confusion_a - confusion_b
    hits = np.abs(np.diagonal(moved, axis1=1, axis2=2))
    decided = np.abs(moved).sum(axis=1)
    found = {
        "accuracy": _counts(np.abs(np.trace(moved, axis1=1, axis2=2))),
        "recall": _counts(hits),
        "precision": _counts(decided),
        "f1": _counts(decided),
        "auroc": np.empty((2, exchanges.shape[1])),
    }
    for index in range(exchanges.shape[1]):
        sides = []
        for of_class in (labels == index, labels != index):
            members = np.unique(group_index[of_class])
            sides.append(_counts(np.abs(np.nan_to_num(exchanges[members, index]).round(12))))
        found["auroc"][:, index] = np.minimum(*sides)
    present = confusion_a.sum(axis=(0, 2)) > 0
    found["balanced_accuracy"] = found["recall"][:, present].min(axis=1)
    found["macro_f1"] = found["f1"][:, present].min(axis=1)
    return found


def _counts(sizes: np.ndarray) -> np.ndarray:
    return np.stack([effective_groups(sizes), (sizes > 0).sum(axis=0)])


def _difference(a, b, intervals, effective, level) -> dict[str, Any]:
    """Returns the entry's difference and interval; the first of a and b is the estimate."""
    difference = float(a[0] - b[0])
    if effective >= FEW_EVENTS:
        low, high = percentile_bounds((a - b)[1:], level).values
        method = BOOTSTRAP
    else:
        together = ~np.isnan(a + b)
        together[0] = False
        steady = min(np.ptp(a[together]), np.ptp(b[together])) < 1e-12
        correlation = 0.0 if steady else float(np.corrcoef(a[together], b[together])[0, 1])
        correlation = max(correlation, 0.0) * effective / (effective + 1)
        low, high = interval_of_difference(
            float(a[0]), intervals[0], float(b[0]), intervals[1], correlation=correlation
        )
        method = MOVER
    return {
        "a": float(a[0]),
        "b": float(b[0]),
        "difference": difference,
        "low": min(float(low), difference),
        "high": max(float(high), difference),
        "level": level,
        "method": method,
    }
