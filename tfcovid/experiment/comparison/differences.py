"""What is tested on the cells of a comparison: pairs that differ in one factor."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flags import compare_choices
from tfcovid.data.tasks import TASK_LABELS
from tfcovid.experiment.comparison.cells import FACTORS, Cell, predictions_of
from tfcovid.metrics.comparison import compare_systems
from tfcovid.metrics.significance import delong, holm, mcnemar

# What is asked of these is what the named value adds: it stands first in a difference.
ADDED = {
    "setting": compare_choices.Setting.WITH.value,
    "training": compare_choices.Trained.FINETUNED.value,
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two cells that differ in one factor.

    Attributes:
      factor: which.
      a: the one cell.
      b: the other; a difference is a - b.
    """

    factor: str
    a: Cell
    b: Cell

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.factor}-{getattr(self.b, self.factor)}-against-{self.a.name}"


def pairs_of(cells: Sequence[Cell]) -> list[Pair]:
    """Returns the pairs of cells that are tested.

    Of the grid every pair that differs in one factor alone, and not in the task. A published method
    differs from another in more than a factor: each is tested against the first one that is
    asked for, which is known before any result is, and with the further data sets against
    without.
    """
    methods = [cell for cell in cells if cell.training == compare_choices.Trained.PRESET]
    grid = [cell for cell in cells if cell not in methods]
    return [*_pairs(grid), *_method_pairs(methods)]


def _method_pairs(methods: Sequence[Cell]) -> Iterator[Pair]:
    for cell in methods:
        first = next(
            other for other in methods if (other.task, other.setting) == (cell.task, cell.setting)
        )
        if cell != first:
            yield Pair("system", cell, first)
    for cell in methods:
        other = dataclasses.replace(cell, setting=compare_choices.Setting.WITHOUT.value)
        if cell.setting == compare_choices.Setting.WITH and other in methods:
            yield Pair("setting", cell, other)


def _pairs(cells: Sequence[Cell]) -> Iterator[Pair]:
    for factor in FACTORS[1:]:
        values = dict.fromkeys(getattr(cell, factor) for cell in cells)
        if ADDED.get(factor) in values:
            values = dict.fromkeys((ADDED[factor], *values))
        for a, b in itertools.combinations(values, 2):
            for cell in cells:
                other = dataclasses.replace(cell, **{factor: b})
                if getattr(cell, factor) == a and other in cells:
                    yield Pair(factor, cell, other)


def compared_figures(classes: tuple[str, ...]) -> tuple[str, str]:
    """Returns the figures that are tested: two, so that Holm's correction stays bearable."""
    return ("balanced_accuracy", f"per_class.{classes[-1]}.auroc")


def tested_difference(
    pair: Pair, tables: Mapping[str, pd.DataFrame], *, seed: int
) -> dict[str, Any]:
    """Returns the differences of a pair of cells, ready for JSON.

    Args:
      pair: the cells.
      tables: predictions of each cell, by name.
      seed: of bootstrap, permutation and the choice of one image a patient.

    Raises:
      ValueError: if the two cells were not tested on the same images.
    """
    first, second = tables[pair.a.name], tables[pair.b.name]
    if first["image"].tolist() != second["image"].tolist():
        raise ValueError(
            f"cells/{pair.a.name}.csv and {pair.b.name}.csv: expected the same images in the same "
            "order; delete the one that was changed"
        )
    classes = TASK_LABELS[pair.a.task].classes
    labels, probs_a, decisions_a, groups = predictions_of(first, classes)
    _, probs_b, decisions_b, _ = predictions_of(second, classes)
    figures = compare_systems(
        labels,
        groups,
        classes,
        probs_a=probs_a,
        decisions_a=decisions_a,
        probs_b=probs_b,
        decisions_b=decisions_b,
        figures=compared_figures(classes),
        seed=seed,
    )
    last = len(classes) - 1
    return {
        **_shared_factors(pair),
        "factor": pair.factor,
        "a": getattr(pair.a, pair.factor),
        "b": getattr(pair.b, pair.factor),
        "figures": figures,
        "mcnemar": mcnemar(labels, decisions_a, decisions_b, groups, seed=seed),
        "delong": _delong(labels, probs_a[:, last], probs_b[:, last], groups, last, seed),
    }


def _shared_factors(pair: Pair) -> dict[str, str]:
    """Returns the value of each factor; of published methods, which differ in several, both."""
    a, b = pair.a.factors(), pair.b.factors()
    return {name: a[name] if a[name] == b[name] else f"{a[name]} / {b[name]}" for name in a}


def _delong(labels, scores_a, scores_b, groups, positive, seed) -> dict[str, Any] | None:
    """Returns DeLong's test, None where one image a patient leaves too few of a class."""
    of_class = labels == positive
    if min(np.unique(groups[of_class]).size, np.unique(groups[~of_class]).size) < 3:
        return None
    return delong(labels, scores_a, scores_b, groups, positive_class=positive, seed=seed)


def with_holm(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the differences with `p_holm` beside each p-value; all of them are one family."""
    entries = [entry for found in differences for entry in found["figures"].values()]
    adjusted = iter(holm([entry["p_value"] for entry in entries]))
    return [
        found
        | {
            "figures": {
                key: entry | {"p_holm": float(next(adjusted))}
                for key, entry in found["figures"].items()
            }
        }
        for found in differences
    ]
