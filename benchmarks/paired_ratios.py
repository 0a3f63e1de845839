"""Rates measured in turn, as ratios of runs that stood side by side, and as a table in Markdown.

A machine that others use is slow now and fast a minute later. Variants that run one after the
other, round after round, are slow together: the ratio within a round holds where the rates do not.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Spread:
    """The middle of some numbers, the least and the greatest."""

    median: float
    least: float
    greatest: float

    def text(self, digits: int) -> str:
        """Returns 'median (least to greatest)'."""
        parts = (f"{part:,.{digits}f}" for part in (self.median, self.least, self.greatest))
        return "{} ({} to {})".format(*parts)


def spread(values: Sequence[float]) -> Spread:
    """Returns the median and the range of at least one number."""
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def paired_ratios(rates: Sequence[float], others: Sequence[float]) -> Spread:
    """Returns how many times the others' rate each rate is, round by round.

    Args:
      rates: of one variant, in the order of the rounds.
      others: of another in the same rounds.

    Raises:
      ValueError: if they are not of the same rounds.
    """
    if not rates or len(rates) != len(others):
        raise ValueError(
            f"Expected rates of the same rounds. Received: {len(rates)} and {len(others)}."
        )
    return spread([one / other for one, other in zip(rates, others, strict=True)])


def ratio_of_times(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Spread:
    """Returns how many times as fast ours is: their median time over ours, round by round.

    Args:
      ours: seconds of each step, one sequence a round.
      theirs: likewise; round i of both were measured one after the other.

    Raises:
      ValueError: if they are not of the same rounds.
    """
    own, others = ([1 / np.median(seconds) for seconds in rounds] for rounds in (ours, theirs))
    return paired_ratios(own, others)


def median_s(rounds: Sequence[Sequence[float]]) -> float:
    """Returns the median of all steps of all rounds, in seconds."""
    return float(np.median([seconds for of_round in rounds for seconds in of_round]))


def in_turn(variants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Returns the rates of each variant, one a round; every second round goes backwards.

    Args:
      variants: of each name what runs it once and returns its rate.
      rounds: at least 1.
    """
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            rates[name].append(variants[name]())
    return rates


def best_setting(settings: Mapping[str, Callable[[], float]], tries: int = 1) -> str:
    """Returns the name of the setting with the highest rate of some tries.

    The highest, not the median: a peer is to have the benefit of the doubt.
    """
    rates = in_turn(settings, tries)
    return max(rates, key=lambda name: max(rates[name]))


def table(rates: Mapping[str, Sequence[float]], *, ours: str, limit: str, cores: int) -> list[str]:
    """Returns the lines of a table in Markdown, a variant a row, in the order given.

    Args:
      rates: images a second of each variant, one a round.
      ours: the variant that the others are compared with.
      limit: the variant that does nothing but what cannot be left out.
      cores: that they ran on.
    """
    lines = [
        f"| | images/s | a core | {ours} is so many times it | share of the limit |",
        "|---|---|---|---|---|",
    ]
    for name, own in rates.items():
        speed = spread(own)
        digits = 0 if speed.median >= 100 else 1
        lines.append(
            f"| {name} | {speed.text(digits)} | {speed.median / cores:,.{digits}f} | "
            f"{paired_ratios(rates[ours], own).text(2)} | "
            f"{paired_ratios(own, rates[limit]).text(2)} |"
        )
    return lines
