"""Ranges of numbers: the check and the words for it in one place."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, each end included or not.

    NaN lies in no interval, and no interval contains an infinity.

    Attributes:
      low: lower end.
      high: upper end, infinity for none.
      open_low: whether `low` itself is left out.
      open_high: whether `high` itself is left out.
    """

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"a number {'above' if self.open_low else 'of at least'} {self.low:g}"
        low = f"{self.low:g} (excluded)" if self.open_low else f"{self.low:g}"
        high = f"{self.high:g} (excluded)" if self.open_high else f"{self.high:g}"
        return f"a number from {low} to {high}"
