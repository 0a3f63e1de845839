"""Reads what `torch.save` wrote, in both of its formats, as data: no code in the file is run.

PyTorch's restricted unpickler (`weights_only=True`) decides what is data. What it refuses is looked
at once more, opcode by opcode and without running any, to tell the user what the file is.
"""

import argparse
import pathlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping

import numpy as np

from weights_conversion.reading import pickle_globals
from weights_conversion.reading.content import INSTALL, Content
from weights_conversion.reading.state_dict import find_state_dict

_ZIP = b"PK\x03\x04"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


def read(path: pathlib.Path, start: bytes) -> Content:
    """Returns the tensors of a file.

    Args:
      path: the file.
      start: its first bytes.

    Raises:
      ValueError: if it is no such file, is damaged, holds more than data or is quantised; or if
        PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f"is PyTorch's format, and PyTorch is not installed: {INSTALL}; .safetensors files "
            "are read without it"
        ) from error
    if start.startswith(_ZIP):
        file_format = "PyTorch"
        _check_zip(path)
    elif start.startswith(pickle.PROTO):
        file_format = "PyTorch, before 1.6"
    elif start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        raise ValueError("is a tar archive: unpack it first, and name the checkpoint in it")
    else:
        raise ValueError(
            "is no checkpoint: expected a file of torch.save (zip, or the older pickle) or "
            f"safetensors; it begins with {start[:8]!r}"
        )
    found, container, beside = find_state_dict(_load(torch, path), torch.is_tensor)
    tensors, others = {}, {}
    for name, value in found.items():
        if torch.is_tensor(value):
            tensors[name] = _array(torch, name, value, path.stat().st_size)
        else:
            others[name] = type(value).__name__
    _refuse_packed(others)
    return Content(file_format, tensors, others, container, beside)


def _check_zip(path):
    """Refuses a zip that is cut off or that torch.save did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, *pickle_globals.DAMAGE) as error:
        raise ValueError(
            f"is a zip of {path.stat().st_size:,} bytes that is cut off or damaged ({error}): "
            "get the file again"
        ) from error
    names = [member.filename for member in members]
    if any(name.endswith("/constants.pkl") for name in names):
        raise ValueError(
            "is a TorchScript archive, which holds code: where you trust it, run "
            'torch.save(torch.jit.load(FILE, "cpu").state_dict(), "state_dict.pt") and convert that'
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError(
            "is a compressed zip, which torch.save does not write: unpack it first, and name the "
            "checkpoint in it"
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise ValueError(
            f"is a zip, but not of torch.save: it holds {', '.join(names[:3]) or 'nothing'}; "
            "unpack it and name the checkpoint"
        )


def _load(torch, path):
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            # PyTorch warns of what it then reads, or refuses with a reason of its own.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(pickle_globals.explain(path, str(error))) from error
    except pickle_globals.DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"is a damaged or cut-off PyTorch file of {path.stat().st_size:,} bytes ({reason}): "
            "get the file again"
        ) from error


def _harmless():
    """Returns classes that hold data, run nothing, and stand in checkpoints beside the tensors."""
    scalar = np.float64(0).__reduce__()[0]  # it has moved between NumPy's versions
    return [
        argparse.Namespace,
        np.dtype,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32")),
    ]


def _array(torch, name, tensor, file_bytes):
    if tensor.is_quantized:
        raise ValueError(
            f"is quantised: {name} is {tensor.dtype}; convert the float checkpoint it was made from"
        )
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(
            f"holds {name} as {tensor.layout} on {tensor.device}: expected plain tensors; save "
            "the state dict again from the loaded model"
        )
    # A view may repeat one stored number a billion times.
    if tensor.numel() * tensor.element_size() > file_bytes:
        raise ValueError(
            f"says that {name} has shape {tuple(tensor.shape)}, more than is stored in the file"
        )
    tensor = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    try:
        return tensor.resolve_conj().resolve_neg().numpy()
    except TypeError as error:
        raise ValueError(
            f"holds {name} as {tensor.dtype}: expected float16, bfloat16, float32 or float64"
        ) from error


def _refuse_packed(others: Mapping[str, str]):
    packed = [name for name in others if "_packed_params" in name]
    if packed:
        raise ValueError(
            f"is quantised: {packed[0]} is packed int8; convert the float checkpoint it was made "
            "from"
        )
