"""Where a command's time goes, from the moments at which its lines come."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
      name: what goes on.
      ends_with: how the line begins that comes when it is over.
      last: whether the last such line counts, not the first.
    """

    name: str
    ends_with: tuple[str, ...]
    last: bool = False


def durations(stages: Sequence[Stage], lines: Sequence[tuple[float, str]]) -> list[float | None]:
    """Returns the seconds of each stage, from the end of the one before; None of one that is not
    found.

    Args:
      stages: in their order.
      lines: seconds since the start, and the text, in order.
    """
    found: list[float | None] = []
    begin = 0.0
    for stage in stages:
        ends = [at for at, text in lines if text.startswith(stage.ends_with) and at >= begin]
        if not ends:
            found.append(None)
            continue
        end = ends[-1 if stage.last else 0]
        found.append(end - begin)
        begin = end
    return found


def growth(samples: Sequence[tuple[float, float]], moments: Sequence[float]) -> list[float]:
    """Returns the last sample before each moment.

    Args:
      samples: (seconds, value), in order.
      moments: seconds, in order, none before the first sample.
    """
    return [[value for at, value in samples if at <= moment][-1] for moment in moments]
