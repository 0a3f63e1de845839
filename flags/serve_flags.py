"""Flags of `python -m tfcovid.serve`: the model, where it is served, and the limits."""

import dataclasses
import re
from typing import Any

from absl import flags as absl_flags

from flags import data_flags
from flags.interval import Interval
from flags.port_flags import PORT, SERVE_PORT
from flags.predict_flags import MODEL
from flags.unread_flags import refuse_unread

# Makes absl look past this module, to the entry, when the key flags are declared.
absl_flags.disclaim_key_flags()

# The largest detectors have 4,300 × 4,300 pixels. Decoding a colour image takes about 40 bytes a
# pixel for a moment, so the limit of training would let one request take 4 GB.
DEFAULT_MAX_PIXELS = 25_000_000
_PIXELS = Interval(1, 178_956_970)
_NAME = re.compile(r"[A-Za-z0-9._-]+")

MODEL_NAME = absl_flags.DEFINE_string(
    "model_name", "tfcovid", "NAME in the addresses /v1/models/NAME."
)
HOST = absl_flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "The address to listen at. 0.0.0.0 is every one of this machine: the server knows neither "
    "passwords nor TLS, so put it behind one that does (docs/deploy.md).",
)
ALLOWED_HOSTS = absl_flags.DEFINE_list(
    "allowed_hosts",
    [],
    "Names that requests may ask for in their Host header, beside localhost, --host and loopback "
    "addresses, such as that of a proxy that passes its own on; * allows any. At a loopback "
    "address all others are refused with 400; at another one nothing is, unless names are given.",
)
MAX_BATCH_SIZE = absl_flags.DEFINE_integer(
    "max_batch_size", 16, "Images of one call of the model at most.", lower_bound=1
)
BATCH_TIMEOUT_MS = absl_flags.DEFINE_float(
    "batch_timeout_ms",
    2.0,
    "How long an image waits for others to share the call with; while the model is busy they "
    "gather anyway.",
    lower_bound=0.0,
)
MAX_BODY_MIB = absl_flags.DEFINE_integer(
    "max_body_mib",
    32,
    "A longer request is refused with 413. All bodies held at a time take 8 times this.",
    lower_bound=1,
)
REQUEST_TIMEOUT_S = absl_flags.DEFINE_float(
    "request_timeout_s",
    30.0,
    "A request that has not arrived whole by then is refused with 408, one that is not answered "
    "by then with 504. What was accepted before a stop has as long.",
    lower_bound=0.1,
)
MAX_WAITING = absl_flags.DEFINE_integer(
    "max_waiting",
    256,
    "Images accepted and not yet answered at most; beyond it 503 with Retry-After.",
    lower_bound=1,
)

USED = (
    MODEL,
    MODEL_NAME,
    HOST,
    ALLOWED_HOSTS,
    PORT,
    MAX_BATCH_SIZE,
    BATCH_TIMEOUT_MS,
    MAX_BODY_MIB,
    data_flags.MAX_PIXELS,
    REQUEST_TIMEOUT_S,
    MAX_WAITING,
)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the flags ask for.

    Attributes:
      model: the SavedModel folder, as it was named.
      model_name: its name in the addresses.
      host: address to listen at.
      allowed_hosts: names that requests may ask for besides; "*" for any.
      port: port to listen at, 0 for a free one.
      max_batch_size: images of one call of the model.
      batch_timeout_s: how long an image waits for others.
      max_body_bytes: the longest request.
      max_pixels: the largest image.
      request_timeout_s: until a request must have arrived, and be answered.
      max_waiting: images accepted and not yet answered.
    """

    model: str
    model_name: str
    host: str
    allowed_hosts: tuple[str, ...]
    port: int
    max_batch_size: int
    batch_timeout_s: float
    max_body_bytes: int
    max_pixels: int
    request_timeout_s: float
    max_waiting: int


def adopt_key_flags() -> None:
    """Makes --help of the calling module show the flags that the server reads."""
    for holder in USED:
        absl_flags.declare_key_flag(holder.name)


def asked(flag_values: absl_flags.FlagValues = absl_flags.FLAGS) -> Asked:
    """Returns what parsed flags ask for.

    Args:
      flag_values: flags after parsing.

    Raises:
      ValueError: if a flag of training is given that the server does not read, --model is
        missing, or a value is none that can be served; one line that names the flag.
    """
    refuse_unread("serve", USED, flag_values)
    values: dict[str, Any] = {holder.name: flag_values[holder.name].value for holder in USED}
    if not values["model"]:
        raise ValueError("--model: expected RUN/saved_model, found nothing; name a run's model")
    if not _NAME.fullmatch(values["model_name"]):
        raise ValueError(
            f"--model_name={values['model_name']}: expected letters, digits, '.', '_' and '-': "
            "it is a part of the address"
        )
    pixels = flag_values[data_flags.MAX_PIXELS.name]
    max_pixels: Any = pixels.value if pixels.present else DEFAULT_MAX_PIXELS
    if max_pixels not in _PIXELS:
        raise ValueError(f"--max_pixels={max_pixels}: expected {_PIXELS}")
    return Asked(
        model=values["model"],
        model_name=values["model_name"],
        host=values["host"],
        allowed_hosts=tuple(values["allowed_hosts"]),
        port=SERVE_PORT if values["port"] is None else values["port"],
        max_batch_size=values["max_batch_size"],
        batch_timeout_s=values["batch_timeout_ms"] / 1000,
        max_body_bytes=values["max_body_mib"] * 2**20,
        max_pixels=max_pixels,
        request_timeout_s=values["request_timeout_s"],
        max_waiting=values["max_waiting"],
    )
