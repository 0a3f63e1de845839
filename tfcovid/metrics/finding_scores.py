"""All figures of predictions of findings, each with its interval, unknown labels left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics import small_samples
from tfcovid.metrics.bounds import including, percentile_bounds
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.intervals import FEW_GROUPS, LEVEL, RESAMPLES, checked_groups, group_bootstrap
from tfcovid.metrics.resampling import (
    resample_weights,
    weighted_auroc,
    weighted_average_precision,
)

PER_FINDING = ("auroc", "auprc", "recall", "specificity", "precision", "f1", "brier", "ece")
MEANS = {
    "mean_auroc": "auroc",
    "mean_auprc": "auprc",
    "macro_f1": "f1",
    "brier": "brier",
    "ece": "ece",
}
"""Figures of all findings together, and what each is the mean of."""

RANKED = {"mean_auroc": weighted_auroc, "mean_auprc": weighted_average_precision}
COMBINED = "from the findings' own intervals, as if they were independent"


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
    whole = {key: _mean([per_class[name][of] for name in averaged]) for key, of in MEANS.items()}
    for key, of in MEANS.items():
        ends = {name: intervals.get(f"per_class.{name}.{of}") for name in averaged}
        values = {name: per_class[name][of] for name in averaged}
        entry = _mean_interval(
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


def mean_ranks(
    key: str, targets: np.ndarray, probs: np.ndarray, groups: np.ndarray, *, seed: int
) -> np.ndarray:
    """Returns mean_auroc or mean_auprc of resamples of patients, float64 [RESAMPLES].

    Patients are drawn with replacement, as many with each finding: one of several belongs to the
    rarest. An output that a resample leaves without both classes is left out of its mean.

    Args:
      key: of RANKED.
      targets: label matrix int8 [n, k].
      probs: float [n, k].
      groups: group ids [n].
      seed: of the bootstrap.
    """
    index = checked_groups(groups, len(targets))
    has = np.stack([np.bincount(index, column == 1) for column in targets.T], axis=1) > 0
    kinds = np.column_stack([has, ~has.any(axis=1)]).astype(np.float64)
    weights = resample_weights(kinds[:, :, None], RESAMPLES, seed)
    figures = []
    for column, scores in zip(targets.T, probs.T, strict=True):
        known = column >= 0
        if (column == 1).any() and (column == 0).any():
            figures.append(RANKED[key](column[known] == 1, scores[known], index[known], weights))
    return np.nanmean(np.stack(figures), axis=0)


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


def _mean_interval(
    key: str,
    values: dict[str, float | None],
    ends: dict[str, dict[str, Any] | None],
    targets: np.ndarray,
    probs: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> dict[str, Any] | None:
    """Returns the interval of a mean over findings; None where no finding has the figure.

    Ranks by a bootstrap of patients; all others, and ranks where a finding has few patients, from
    the intervals of the findings.
    """
    there = [name for name, value in values.items() if value is not None and ends[name] is not None]
    if not there:
        return None
    entries = [entry for name in there if (entry := ends[name]) is not None]
    few = any(entry.get("few_groups") for entry in entries)
    estimates = np.array([values[name] for name in there], np.float64)
    bounds = np.array([[entry["low"], entry["high"]] for entry in entries]).T
    combined = small_samples.mean_interval(estimates, bounds)
    method, found = COMBINED, combined
    if key in RANKED and not few:
        resampled = percentile_bounds(mean_ranks(key, targets, probs, groups, seed=seed), LEVEL)
        resampled = including(resampled, estimates.mean())
        method, found = str(resampled.methods), resampled.values
    return {
        "low": float(found[0]),
        "high": float(found[1]),
        "level": LEVEL,
        "method": method,
        "n_patients": int(np.unique(groups).size),
        **({"few_groups": True} if few else {}),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
