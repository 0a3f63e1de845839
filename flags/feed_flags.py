"""Flags of `python -m tfcovid.feed`: where it is reached."""

import dataclasses
from typing import Any

from absl import flags as absl_flags

from flags.distribution_flags import HOST
from flags.port_flags import FEED_PORT, PORT
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

_HIGHEST_PORT = 65534  # the one above it is taken too

ADVERTISED_HOST = absl_flags.DEFINE_string(
    "advertised_host",
    "127.0.0.1",
    "The name or IPv4 address under which trainings reach this machine, and give it in "
    "--data_service. The ports are open on all addresses of the machine whatever it is, and "
    "whoever reaches them may have files read and anything computed: use a network of your own.",
)

USED = (PORT, ADVERTISED_HOST)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the flags ask for.

    Attributes:
      host: under which trainings reach this machine.
      port: where they ask; the one above it is where batches come from. 0 takes two free ones.
    """

    host: str
    port: int


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that a feed reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def asked(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Asked:
    """Returns what parsed flags ask for.

    Raises:
      ValueError: if a flag is given that a feed does not read, or a value is none that it can take;
        one line that names the flag.
    """
    refuse_unread("feed", USED, flag_values)
    port: Any = flag_values[PORT.name].value
    port = FEED_PORT if port is None else port
    if port > _HIGHEST_PORT:
        raise ValueError(
            f"--port={port}: expected at most {_HIGHEST_PORT}: the port above is taken too"
        )
    host: Any = flag_values[ADVERTISED_HOST.name].value
    if not HOST.fullmatch(host):
        raise ValueError(f"--advertised_host={host}: expected a host name or an IPv4 address")
    return Asked(host=host, port=port)
