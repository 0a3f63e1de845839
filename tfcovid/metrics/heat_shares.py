"""The mean share of heat inside the lungs' box of each class's images, with an interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfcovid.metrics.bounds import including, percentile_bounds
from tfcovid.metrics.intervals import LEVEL, RESAMPLES, checked_groups, interval_entry

BOOTSTRAP = "bootstrap of patients"


def heat_share_entries(
    shares: np.ndarray,
    has_class: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Returns what metrics.json says of the classes, and the intervals.

    Args:
      shares: of each image and class's heat map, the share inside the box, float [n, num_classes];
        NaN where the map has no heat.
      has_class: which images are of which class, bool [n, num_classes].
      groups: group ids [n]: images of one patient share one.
      classes: names.
      seed: of the bootstrap.

    Returns:
      By class: `share`, the mean over its images with heat, or None where there is none; `n_images`
      and `n_patients` behind it; `without_heat`, images of the class in which nothing speaks for
      it. And by class the interval of the share, for two patients or more.
    """
    entries: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(classes):
        of_class = has_class[:, index]
        counted = of_class & ~np.isnan(shares[:, index])
        values, behind = shares[counted, index], groups[counted]
        patients = len(np.unique(behind))
        entries[name] = {
            "share": float(values.mean()) if len(values) else None,
            "n_images": int(counted.sum()),
            "n_patients": patients,
            "without_heat": int((of_class & ~counted).sum()),
        }
        if patients > 1:
            intervals[name] = _interval(values, behind, seed)
    return entries, intervals


def outside_notes(heat: Mapping[str, Any]) -> list[str]:
    """Returns a line for each class whose heat lies less in the box than if it lay everywhere.

    Args:
      heat: the entry of metrics.json, with `per_class`, `intervals` and `box_share_of_image`.
    """
    box = heat["box_share_of_image"]
    return [
        f"Evidence for {name} lies less in the lungs' box than chance puts it there: "
        f"{heat['per_class'][name]['share']:.2f} ({found['low']:.2f}-{found['high']:.2f}) of its "
        f"heat, and the box is {box:.2f} of the image."
        for name, found in heat["intervals"].items()
        if found["high"] < box
    ]


def _interval(values: np.ndarray, groups: np.ndarray, seed: int) -> dict[str, Any]:
    group_index = checked_groups(groups, len(values))
    sizes, sums = np.bincount(group_index), np.bincount(group_index, values)
    patients = len(sizes)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(patients, np.full(patients, 1 / patients), size=RESAMPLES)
    bounds = percentile_bounds(weights @ sums / (weights @ sizes), LEVEL)
    ends = including(bounds, values.mean()).values
    return interval_entry(ends, BOOTSTRAP, LEVEL, patients, patients)
