"""Which published methods a comparison has, by their names or patterns of them."""

import fnmatch
import json
from collections.abc import Sequence

from flags import choices
from flags.compare_config import ALL
from flags.preset_files import preset_values, system_names

OF_COMPARISON = (
    "task",
    "data",
    "split",
    "test_fraction",
    "validation_fraction",
    "image_size",
    "view",
    "calibration",
    "operating_point",
    "seed",
    "controls",
)
"""What a preset says in vain here: the comparison has one answer for all methods."""


def chosen_presets(patterns: Sequence[str], tasks: Sequence[choices.Task]) -> tuple[str, ...]:
    """Returns the names of the presets that patterns name, in the order of the patterns.

    Args:
      patterns: names, patterns of names, or "all".
      tasks: of the comparison.

    Raises:
      ValueError: if a pattern names none.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if pattern == ALL:
            matching = one_of_each(comparable(), tasks)
        else:
            matching = [name for name in comparable() if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            raise ValueError(
                f"--systems={pattern}: expected {ALL}, or names or patterns of "
                f"{', '.join(comparable())}"
            )
        found |= dict.fromkeys(matching)
    return tuple(found)


def comparable() -> list[str]:
    """Returns the presets of one class an image: a comparison has no figures of findings."""
    return [
        name
        for name in system_names()
        if not choices.Task(preset_values(name)["task"]).has_findings
    ]


def one_of_each(names: Sequence[str], tasks: Sequence[choices.Task]) -> list[str]:
    """Returns the names without presets that differ from another one in nothing of their own.

    Of several that are the same but for what the comparison sets, one of its tasks is kept, or the
    first.
    """
    kept: dict[str, str] = {}
    for name in sorted(names, key=lambda name: preset_values(name)["task"] not in tasks):
        given = preset_values(name)
        own = {flag: value for flag, value in given.items() if flag not in OF_COMPARISON}
        kept.setdefault(json.dumps(own, sort_keys=True), name)
    return sorted(kept.values())
