"""Flags of how a run is kept safe; they are no part of what it computes."""

import dataclasses
from typing import Any

from absl import flags as absl_flags

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

RESUME = absl_flags.DEFINE_bool(
    "resume",
    False,
    "Go on with the run in --workdir where it was killed, to the same result bit for bit; begin it "
    "where there is none. The other flags must be those it was begun with.",
)
SNAPSHOT_MINUTES = absl_flags.DEFINE_float(
    "snapshot_minutes",
    5.0,
    "Minutes between two snapshots of a training, from which --resume goes on; 0 takes one at each "
    "step. A snapshot has three times the size of the network.",
    lower_bound=0.0,
)


@dataclasses.dataclass(frozen=True)
class Keeping:
    """How a run is kept safe.

    Attributes:
      goes_on: whether a run that is there already is gone on with.
      every_s: seconds between two snapshots of a training.
    """

    goes_on: bool = False
    every_s: float = 300.0


def adopt_key_flags() -> None:
    """Makes --help of the calling module show these flags."""
    for holder in (RESUME, SNAPSHOT_MINUTES):
        absl_flags.declare_key_flag(holder.name)


def keeping(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Keeping:
    """Returns what parsed flags ask for.

    Raises:
      ValueError: if --resume is given and no --workdir.
    """
    goes_on: bool = bool(flag_values[RESUME.name].value)
    minutes: Any = flag_values[SNAPSHOT_MINUTES.name].value
    if goes_on and flag_values["workdir"].value is None:
        raise ValueError("--resume: expected --workdir, the folder of the run that was begun")
    return Keeping(goes_on, 60.0 * minutes)
