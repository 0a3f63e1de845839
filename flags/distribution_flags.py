"""Flags of where the work of a training is done; they are no part of what it computes."""

import dataclasses
import enum
import re
from typing import Any

from absl import flags as absl_flags

from flags import choices

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""A host name or an IPv4 address."""

_ADDRESS = re.compile(rf"{HOST.pattern}:[0-9]{{1,5}}")
_SENDABLE = (choices.Cache.RECORDS, choices.Cache.NONE)


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
DATA_SERVICE = absl_flags.DEFINE_list(
    "data_service",
    [],
    "HOST:PORT of processes of `python -m tfcovid.feed`, on this machine or others, which make the "
    "training batches in turn; the result is that of none. They read the data under the same path "
    "as this process, with --cache=records or --cache=none.",
)


@dataclasses.dataclass(frozen=True)
class Sharing:
    """What shares each batch of a training, and what makes it.

    Attributes:
      distribute: the way.
      sync_batch_norm: whether batch normalisation sees the whole batch.
      data_service: HOST:PORT of the processes that make the batches; none makes them here.
    """

    distribute: Distribute = Distribute.NONE
    sync_batch_norm: bool = True
    data_service: tuple[str, ...] = ()


def adopt_key_flags() -> None:
    """Makes --help of the calling module show these flags."""
    for holder in (DISTRIBUTE, SYNC_BATCH_NORM, DATA_SERVICE):
        absl_flags.declare_key_flag(holder.name)


def sharing(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Sharing:
    """Returns what parsed flags ask for.

    Raises:
      ValueError: if --data_service names no addresses, or the images are kept where others do not
        have them; one line that names the flags.
    """
    distribute: Any = flag_values[DISTRIBUTE.name].value
    synchronised = bool(flag_values[SYNC_BATCH_NORM.name].value)
    return Sharing(distribute, synchronised, _data_service(flag_values))


def _data_service(flag_values: absl_flags.FlagValues) -> tuple[str, ...]:
    given: Any = flag_values[DATA_SERVICE.name].value
    cache = flag_values["cache"].value
    for address in given:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"--data_service: expected HOST:PORT, found {address!r}")
    if len(set(given)) < len(given):
        raise ValueError(f"--data_service={','.join(given)}: expected each address once")
    if given and cache not in _SENDABLE:
        raise ValueError(
            f"--data_service with --cache={cache}: other processes read images at each use; give "
            "--cache=records for records of tfcovid.prepare, or --cache=none for image files"
        )
    return tuple(given)
