"""Ranges of numbers, and dataclasses whose fields are held to them."""

import dataclasses
import math
from typing import Any


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
        low = _in_full(self.low)
        if math.isinf(self.high):
            return f"a number {'above' if self.open_low else 'of at least'} {low}"
        high = _in_full(self.high)
        low = f"{low} (excluded)" if self.open_low else low
        high = f"{high} (excluded)" if self.open_high else high
        return f"a number from {low} to {high}"


def _in_full(number: float) -> str:
    """Returns the number in words for a user: 2147483647, where :g gives 2.14748e+09."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


AT_LEAST_0 = Interval(0)
AT_LEAST_1 = Interval(1)
POSITIVE = Interval(0, open_low=True)
BELOW_1 = Interval(0, 1, open_high=True)
BETWEEN_0_AND_1 = Interval(0, 1, open_low=True, open_high=True)


def within(interval: Interval, default: float) -> Any:
    """Returns a dataclass field with a default, whose values are held to an interval."""
    return dataclasses.field(default=default, metadata={"interval": interval})


class RangeChecked:
    """A dataclass of flags that checks on construction every field that has an interval.

    Raises:
      ValueError: if a value lies outside its interval; the message names the flag.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            interval = field.metadata.get("interval")
            value = getattr(self, field.name)
            if interval is not None and value not in interval:
                raise ValueError(f"--{field.name}={value}: expected {interval}")
