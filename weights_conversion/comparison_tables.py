"""The comparisons of a proof as a person reads them: a summary, and tables by stage and layer."""

import math
from collections.abc import Sequence
from typing import Any

from weights_conversion.proof.comparison import Comparison

_LOWEST = -16  # power of ten at the left end of the scale; the right end is 1


def summary_rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Returns a row for each kind of comparison: the worst of it, and its place on the scale."""
    kinds: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        kinds.setdefault(_kind(comparison), []).append(comparison)
    rows = []
    for name, members in kinds.items():
        worst = max(members, key=lambda c: (not c.holds, c.difference))
        rows.append(
            {
                "name": name,
                "difference": worst.difference,
                "holds": worst.holds,
                "at": _place(worst.difference),
                "limit_at": _place(worst.limit),
            }
        )
    return rows


def tables(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Returns the table of the stages and, where training was compared, that of the layers."""
    stages = [c for c in comparisons if _kind(c) in ("inference", "training")]
    norms = [c for c in comparisons if _kind(c) not in ("inference", "training")]
    return [
        _table("By stage", "after", part)
        if part is stages
        else _table("By batch norm and bias, one training step", "of", part)
        for part in (stages, norms)
        if part
    ]


def _table(title, corner, comparisons):
    """Returns a row for each name and a column for each mode, in their order."""
    modes = list(dict.fromkeys(comparison.mode for comparison in comparisons))
    names = list(dict.fromkeys(comparison.stage for comparison in comparisons))
    cells = {(c.stage, c.mode): c for c in comparisons}
    limits = {c.mode.split(", ")[1]: f"{c.limit:.0e}" for c in comparisons}
    refused = ", ".join(f"{limit} in {dtype}" for dtype, limit in limits.items())
    return {
        "title": title,
        "caption": f"{title}: relative difference; refused above {refused}",
        "corner": corner,
        "modes": modes,
        "rows": [
            {"name": name, "cells": [cells[name, mode] for mode in modes if (name, mode) in cells]}
            for name in names
        ],
    }


def _kind(comparison):
    return comparison.mode.split(",")[0]


def _place(difference):
    """Returns where a difference lies on the scale, 0 for 1e-16 or less, 1 for 1 or more."""
    if not difference > 0:
        return 0.0 if difference == 0 else 1.0
    return round(min(1.0, max(0.0, 1 - math.log10(difference) / _LOWEST)), 4)
