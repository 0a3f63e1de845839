"""Reads .npz files as data: no pickle is loaded, and nothing is unpacked that was not written."""

import math
import pathlib
import struct
import sys
import tokenize
import zipfile
import zlib
from typing import IO

import numpy as np

# What damaged files were seen to raise in NumPy and zipfile.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays in an .npz file that `numpy.savez` wrote, by name.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is damaged, compressed, holds objects, or an array larger than itself; one
        line that names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise ValueError("expected arrays alone")
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("expected arrays that are not compressed")
                with archive.open(member) as stream:
                    _refuse_more_than(member.file_size, stream)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        for name, array in arrays.items():
            _refuse_no_text(name, array)
        return arrays
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path}: expected arrays that a run has written ({reason})") from error


def _refuse_no_text(name: str, array: np.ndarray) -> None:
    """Raises ValueError for text in which a number stands for no character."""
    if array.dtype.kind == "U" and array.size:
        codes = np.frombuffer(array.tobytes(), array.dtype.byteorder.replace("|", "=") + "u4")
        if codes.max() > sys.maxunicode:
            raise ValueError(f"{name} holds no text")


def _refuse_more_than(num_bytes: int, stream: IO[bytes]) -> None:
    """Raises ValueError if the header of an array claims more than is stored of it."""
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("an array of objects, which would be unpickled")
    if math.prod(shape) * dtype.itemsize > num_bytes:
        raise ValueError(f"an array of shape {shape} in {num_bytes} bytes")
