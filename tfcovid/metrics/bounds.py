"""Bounds of a figure beside the method of each, and how a bootstrap gives them."""

import dataclasses

import numpy as np

BOOTSTRAP = "bootstrap of patients within classes"
WILSON = "Wilson on the effective number of patients"
NEWCOMBE = "Newcombe on the effective number of patients"
# Average precision as if it were a share of the positives: Boyd et al. 2013, ECML PKDD.
BOYD = "Wilson on the effective number of patients of the class"
UNBIASED = "bootstrap of patients with its upward bias taken out"
FOLLOWED = "as far as accuracy's Wilson interval"


@dataclasses.dataclass
class Bounds:
    """Bounds of one figure, [2] or [2, num_classes], and the method of each."""

    values: np.ndarray
    methods: np.ndarray

    def replace_where(self, few: np.ndarray | bool, values: np.ndarray, method: str) -> None:
        """Puts other bounds in place where `few`, bool or bool [num_classes], says so."""
        self.values = np.where(few, values, self.values)
        self.methods = np.where(few, method, self.methods)


def percentile_bounds(values: np.ndarray, level: float) -> Bounds:
    """Returns percentile bounds over the resamples, NaN where none defines the figure."""
    undefined = np.isnan(values).all(axis=0)
    filled = np.where(undefined, 0.0, values)
    tails = [(1 - level) / 2, (1 + level) / 2]
    bounds = np.where(undefined, np.nan, np.nanquantile(filled, tails, axis=0))
    return Bounds(bounds, np.full(np.shape(undefined), BOOTSTRAP))


def including(bounds: Bounds, estimate: np.ndarray | float) -> Bounds:
    """Returns the bounds, moved to the estimate where they would exclude it."""
    low, high = bounds.values
    inside = np.stack([np.minimum(low, estimate), np.maximum(high, estimate)])
    return Bounds(inside, bounds.methods)
