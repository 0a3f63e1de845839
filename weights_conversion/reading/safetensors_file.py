"""Reads .safetensors files, which hold tensors and nothing that could run, without PyTorch."""

import pathlib
import struct

import numpy as np

from weights_conversion.reading.content import INSTALL, Content

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
}


def is_safetensors(start: bytes) -> bool:
    """Returns whether a file that begins so is one: the length of a JSON header, then that."""
    return len(start) > 9 and start[8:9] == b"{" and start[9:].lstrip()[:1] in (b'"', b"}")


def read(path: pathlib.Path, start: bytes) -> Content:
    """Returns the tensors of a file.

    Args:
      path: the file.
      start: its first bytes.

    Raises:
      ValueError: if it is damaged or has a type of number that networks are not stored in, or if
        the safetensors package is not installed.
    """
    try:
        import safetensors
    except ImportError as error:
        raise ValueError(f"needs safetensors: {INSTALL}") from error
    (header_bytes,) = struct.unpack("<Q", start[:8])
    try:
        tensors = dict(safetensors.deserialize(path.read_bytes()))
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"is a damaged or cut-off safetensors file of {path.stat().st_size:,} bytes with a "
            f"header of {header_bytes:,} ({error}): get the file again"
        ) from error
    return Content("safetensors", {k: _array(k, v) for k, v in tensors.items()}, {})


def _array(name, stored):
    dtype, data = stored["dtype"], stored["data"]
    if dtype == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return wide.view(np.float32).reshape(stored["shape"])
    if dtype not in _DTYPES:
        raise ValueError(
            f"holds {name} as {dtype}: expected float16, bfloat16, float32 or float64 "
            "(a quantised checkpoint?)"
        )
    return np.frombuffer(data, _DTYPES[dtype]).reshape(stored["shape"])
