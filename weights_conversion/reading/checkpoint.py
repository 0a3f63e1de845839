"""A checkpoint: named arrays, and where they came from."""

import dataclasses
import hashlib
import pathlib
from concurrent import futures

from weights_conversion.reading import safetensors_file, torch_file
from weights_conversion.reading.content import Content

_START = 512  # bytes that tell what a file is
_MOST_BYTES = 4 << 30

# How files begin that are often taken for a checkpoint, and what to do about them.
_IMPOSTORS = (
    (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull` to get the file itself"),
    (b"\x89HDF", "an HDF5 file: expected PyTorch's or safetensors"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"<", "a web page or XML, no checkpoint: the download went wrong, get the file again"),
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file and the tensors in it.

    Attributes:
      path: the file.
      sha256: of the file, lower-case hex.
      content: what was read.
    """

    path: pathlib.Path
    sha256: str
    content: Content


def read_checkpoint(path: pathlib.Path) -> Checkpoint:
    """Returns the tensors of a PyTorch or safetensors file, told apart by content.

    Args:
      path: the file, under any name.

    Raises:
      ValueError: if it is not there or is no checkpoint that can be read without running code;
        the message does not name the file.
    """
    if path.is_dir():
        raise ValueError("is a folder: expected the checkpoint file in it")
    if path.exists() and not path.is_file():
        raise ValueError("is a device or a pipe: expected a file")
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        start = file.read(_START)
    if not start:
        raise ValueError("is empty: the download went wrong, get the file again")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(
            f"has {path.stat().st_size:,} bytes: expected at most {_MOST_BYTES:,}; no network "
            "that is converted here is near that"
        )
    with futures.ThreadPoolExecutor(1) as beside:
        sha256 = beside.submit(_sha256, path)
        content = _read(path, start)
    # A name is whatever the file's writer chose; it goes to a terminal and into files of UTF-8.
    for name in (*content.tensors, *content.others, *content.beside):
        if not name.isprintable():
            raise ValueError(f"holds something called {name!a}: expected names that can be read")
    return Checkpoint(path, sha256.result(), content)


def _read(path, start):
    if safetensors_file.is_safetensors(start):
        return safetensors_file.read(path, start)
    for beginning, what in _IMPOSTORS:
        if start.lstrip().startswith(beginning):
            raise ValueError(f"is {what}")
    return torch_file.read(path, start)


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
