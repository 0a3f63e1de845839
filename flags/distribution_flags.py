"""Flags of where the work of a training is done; they are no part of what it computes."""

import dataclasses
import enum
from typing import Any

from absl import flags as absl_flags

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()


class Distribute(enum.StrEnum):
    """What shares each batch of a training."""

    NONE = enum.auto()
    MIRRORED = enum.auto()
    MULTI_WORKER = enum.auto()


DISTRIBUTE = absl_flags.DEFINE_enum_class(
    "distribute",
    Distribute.NONE,
    Distribute,
    "What shares each batch of --batch_size images: one device; under mirrored all GPUs of this "
    "machine; under multi_worker the processes that TF_CONFIG or Slurm names, each started with "
    "the same command. The result is that of one device, but for rounding.",
)
SYNC_BATCH_NORM = absl_flags.DEFINE_bool(
    "sync_batch_norm",
    True,
    "Take the statistics of batch normalisation over the whole batch; without, over each "
    "replica's part, which is faster and another result. Read where --distribute shares a batch.",
)


@dataclasses.dataclass(frozen=True)
class Sharing:
    """What shares each batch of a training.

    Attributes:
      distribute: the way.
      sync_batch_norm: whether batch normalisation sees the whole batch.
    """

    distribute: Distribute = Distribute.NONE
    sync_batch_norm: bool = True


def adopt_key_flags() -> None:
    """Makes --help of the calling module show these flags."""
    for holder in (DISTRIBUTE, SYNC_BATCH_NORM):
        absl_flags.declare_key_flag(holder.name)


def sharing(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Sharing:
    """Returns what parsed flags ask for."""
    distribute: Any = flag_values[DISTRIBUTE.name].value
    return Sharing(distribute, bool(flag_values[SYNC_BATCH_NORM.name].value))
