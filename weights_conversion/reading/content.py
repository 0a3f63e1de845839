"""What a file's reader hands on."""

import dataclasses
from collections.abc import Mapping

import numpy as np

INSTALL = "python -m pip install -r requirements-conversion.txt"
"""What gets the packages that reading needs."""


@dataclasses.dataclass(frozen=True)
class Content:
    """The tensors in a file.

    Attributes:
      file_format: "PyTorch", "PyTorch, before 1.6" or "safetensors".
      tensors: name -> array, as they lie in the file; bfloat16 widened to float32.
      others: name -> type of what stands among the tensors and is none.
      container: the keys that led to the tensors, "state_dict" for {"state_dict": …}, "" for none.
      beside: other keys of the containers, which are not read.
    """

    file_format: str
    tensors: Mapping[str, np.ndarray]
    others: Mapping[str, str]
    container: str = ""
    beside: tuple[str, ...] = ()
