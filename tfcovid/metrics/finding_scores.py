"""All figures of predictions of findings, each with its interval, unknown labels left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from tfcovid.metrics.bounds import Bounds, including
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.confusion import group_confusion
from tfcovid.metrics.finding_means import MEANS, mean_interval, mean_of
from tfcovid.metrics.intervals import (
    FEW_GROUPS,
    LEVEL,
    checked_groups,
    group_bootstrap,
    interval_entry,
)
from tfcovid.metrics.probability_bounds import auroc_bounds

PER_FINDING = ("auroc", "auprc", "recall", "specificity", "precision", "f1", "brier", "ece")


def finding_scores(
    targets: np.ndarray,
    probs: np.ndarray,
    decided: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    averaged: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Returns the figures of metrics.json, each output against its absence.

    Args:
      targets: label matrix int8 [n, num_outputs]: 1, 0, or -1 for unknown.
      probs: calibrated probabilities float [n, num_outputs].
      decided: what is decided, 0 or 1, int [n, num_outputs].
      groups: group ids [n]; images of one patient share one.
      classes: names in the order of the outputs.
      averaged: those that the means are over.
      seed: of the bootstrap.

    Returns:
      classes, n_images, n_patients, the keys of MEANS (None without a finding that has the figure),
      per_class: for each name those of PER_FINDING (None where undefined) and counts of images and
      patients with it, without it, unknown; intervals: by key, `per_class.NAME.recall` …

    Raises:
      ValueError: if shapes do not fit or a probability is none.
    """
    targets, probs, decided = (
        np.asarray(targets),
        np.asarray(probs, np.float64),
        np.asarray(decided),
    )
    shape = (len(targets), len(classes))
    if not targets.shape == probs.shape == decided.shape == shape:
        raise ValueError(
            f"expected targets, probs and decided [n, {len(classes)}]. Received: "
            f"{targets.shape}, {probs.shape}, {decided.shape}"
        )
    per_class: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(classes):
        figures, found = one_finding(
            targets[:, index], probs[:, index], decided[:, index], groups, seed=seed
        )
        per_class[name] = figures | counts_of(targets[:, index], groups)
        intervals |= {f"per_class.{name}.{key}": entry for key, entry in found.items()}
    columns = [list(classes).index(name) for name in averaged]
    whole = {key: mean_of([per_class[name][of] for name in averaged]) for key, of in MEANS.items()}
    for key, of in MEANS.items():
        ends = {name: intervals.get(f"per_class.{name}.{of}") for name in averaged}
        values = {name: per_class[name][of] for name in averaged}
        entry = mean_interval(
            key, values, ends, targets[:, columns], probs[:, columns], groups, seed=seed
        )
        if entry is not None:
            intervals[key] = entry
    return {
        "classes": list(classes),
        "n_images": len(targets),
        "n_patients": int(np.unique(groups).size),
        **whole,
        "per_class": per_class,
        "intervals": intervals,
    }


def one_finding(
    targets: np.ndarray,
    probs: np.ndarray,
    decided: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> tuple[dict[str, float | None], dict[str, dict[str, Any]]]:
    """Returns the figures of one output and the intervals of those that are defined.

    Without an image that has it, or one known to be without it, no figure is: false alarms alone,
    or hits alone, would look like a score.

    Args:
      targets: 1, 0, or -1 for unknown, int [n].
      probs: of its presence, float [n].
      decided: 0 or 1, int [n].
      groups: group ids [n].
      seed: of the bootstrap.
    """
    if not ((targets == 1).any() and (targets == 0).any()):
        return dict.fromkeys(PER_FINDING), {}
    known = targets >= 0
    names = ("without", "with")
    taken = (
        targets[known].astype(np.int64),
        np.stack([1 - probs[known], probs[known]], axis=1),
        decided[known].astype(np.int64),
    )
    found = classification_metrics(*taken, names)
    bounds = group_bootstrap(*taken, groups[known], names, seed=seed)
    figures = {key: found["per_class"]["with"].get(key, found.get(key)) for key in PER_FINDING}
    keys = {key: f"per_class.with.{key}" for key in PER_FINDING} | {"brier": "brier", "ece": "ece"}
    entries = {key: bounds[of] for key, of in keys.items() if of in bounds}
    # Summed over both classes it is twice the squared error of the finding's probability.
    if figures["brier"] is not None:
        figures["brier"] /= 2
        entries["brier"] = entries["brier"] | {
            end: entries["brier"][end] / 2 for end in ("low", "high")
        }
    return figures, entries


def finding_aurocs(
    targets: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    averaged: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Returns the AUROCs of `finding_scores` alone, of scores that need be no probabilities.

    Args:
      targets: label matrix int8 [n, num_outputs].
      scores: float [n, num_outputs]; ranks alone count.
      groups: group ids [n].
      classes: names in the order of the outputs.
      averaged: those that the mean is over.
      seed: of the bootstrap.

    Returns:
      mean_auroc and interval (None without a finding that has one), and per_class: auroc and
      interval of each output, None where undefined.
    """
    found = {
        name: _auroc(targets[:, index], scores[:, index], groups)
        for index, name in enumerate(classes)
    }
    columns = [list(classes).index(name) for name in averaged]
    return {
        "mean_auroc": mean_of([found[name]["auroc"] for name in averaged]),
        "interval": mean_interval(
            "mean_auroc",
            {name: found[name]["auroc"] for name in averaged},
            {name: found[name]["interval"] for name in averaged},
            targets[:, columns],
            scores[:, columns],
            groups,
            seed=seed,
        ),
        "per_class": found,
    }


def _auroc(targets: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Returns the AUROC of one output and its interval, as `one_finding` has them."""
    if not ((targets == 1).any() and (targets == 0).any()):
        return {"auroc": None, "interval": None}
    known = targets >= 0
    labels, index = targets[known].astype(np.int64), checked_groups(groups[known], known.sum())
    both = np.stack([-scores[known], scores[known]], axis=1)
    truth = group_confusion(labels, labels, index, 2)
    bounds = auroc_bounds(labels, both, index, truth, LEVEL)
    counted = int((truth.sum(axis=2)[:, 1] > 0).sum())
    value = float(roc_auc_score(labels, scores[known]))
    bounds = including(Bounds(bounds.values[:, 1], bounds.methods[1]), value)
    return {
        "auroc": value,
        "interval": interval_entry(bounds.values, str(bounds.methods), LEVEL, counted, counted),
    }


def counts_of(targets: np.ndarray, groups: np.ndarray) -> dict[str, int]:
    """Returns images and patients that have an output, have it not, or are unknown.

    `n_images` and `n_patients` are those that have it, as for a class.

    Args:
      targets: 1, 0, or -1 for unknown, int [n].
      groups: group ids [n].
    """
    kinds = {"": targets == 1, "_without": targets == 0, "_unknown": targets < 0}
    return {
        **{f"n_images{kind}": int(rows.sum()) for kind, rows in kinds.items()},
        **{f"n_patients{kind}": int(np.unique(groups[rows]).size) for kind, rows in kinds.items()},
    }


def finding_notes(metrics: dict[str, Any]) -> list[str]:
    """Returns lines on the outputs that no or few patients of the test split have or lack."""
    counts = {
        name: {"with": figures["n_patients"], "without": figures["n_patients_without"]}
        for name, figures in metrics["per_class"].items()
    }
    undefined = [name for name, of in counts.items() if not min(of.values())]
    few = [
        f"{name} ({of[which]} {which} it)"
        for name, of in counts.items()
        if name not in undefined and of[which := min(of, key=lambda key: of[key])] < FEW_GROUPS
    ]
    notes = []
    if undefined:
        named = ", ".join(
            f"{name} (none {'with' if not counts[name]['with'] else 'known to be without'} it)"
            for name in undefined
        )
        notes.append(
            f"No figures and no part in the means, for want of patients in the test split: {named}."
        )
    if few:
        notes.append(
            f"Fewer than {FEW_GROUPS} patients in the test split: {', '.join(few)}. An interval "
            "from so few is itself uncertain."
        )
    return notes
