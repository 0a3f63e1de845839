"""Figures of all findings together: their means, and what a mean's interval comes from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcovid.metrics import small_samples
from tfcovid.metrics.bounds import including, percentile_bounds
from tfcovid.metrics.intervals import LEVEL, RESAMPLES, checked_groups
from tfcovid.metrics.resampling import (
    resample_weights,
    weighted_auroc,
    weighted_average_precision,
)

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


def mean_of(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the figures that are defined, None without any."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def mean_interval(
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

    Args:
      key: of MEANS.
      values: the figure of each finding, None where undefined.
      ends: its interval, likewise.
      targets: label matrix of these findings, int8 [n, k].
      probs: float [n, k]; ranks alone count.
      groups: group ids [n].
      seed: of the bootstrap.
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
