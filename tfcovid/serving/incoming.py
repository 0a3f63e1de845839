"""Makes of the bytes that came in what the graph decodes, or says why they are no image."""

import dataclasses
from typing import Any

import numpy as np

from tfcovid.data.image_files import MIN_SIDE_PX
from tfcovid.data.readable import readable_or_reason
from tfcovid.serving.refused import RefusedError


@dataclasses.dataclass(frozen=True)
class Row:
    """One image as the model takes it.

    Attributes:
      value: the bytes of a JPEG, PNG or GIF file, or uint8 [height, width, channels].
      pixels: how many it has once decoded.
      warnings: what whoever reads the result should know of the image.
    """

    value: Any
    pixels: int
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """What rows of one call have in common: () of encoded images."""
        return () if isinstance(self.value, bytes) else self.value.shape

    @property
    def num_bytes(self) -> int:
        """What the value takes of the memory."""
        return len(self.value) if isinstance(self.value, bytes) else self.value.nbytes


def prepared(value: Any, *, max_pixels: int, radiograph: bool, where: str) -> Row:
    """Returns an image as the model takes it; a DICOM file as a gray PNG.

    Args:
      value: the bytes of a file, or uint8 [height, width, channels].
      max_pixels: the largest image.
      radiograph: whether a DICOM file is refused that says that it is none.
      where: it stands in the request, for the message; "" where it is all of it.

    Raises:
      RefusedError: with status 413 if it has too many pixels, else 400, and the reason.
    """
    if isinstance(value, np.ndarray):
        return _decoded(value, max_pixels, where)
    found = readable_or_reason(value, max_pixels=max_pixels, radiograph=radiograph)
    if isinstance(found, str):
        raise _refused(found, where)
    return Row(found.encoded, found.pixels, found.warnings)


def _decoded(pixels: np.ndarray, max_pixels: int, where: str) -> Row:
    height, width, channels = pixels.shape
    if channels not in (1, 3):
        raise _refused(f"expected 1 or 3 channels, found {channels}", where)
    if height * width > max_pixels:
        raise _refused(f"too large: {width} by {height} is more than {max_pixels} pixels", where)
    if min(height, width) < MIN_SIDE_PX:
        raise _refused(f"too small: {width} by {height}; each side needs {MIN_SIDE_PX}", where)
    return Row(pixels, height * width)


def _refused(reason: str, where: str) -> RefusedError:
    status = 413 if reason.startswith("too large") else 400
    return RefusedError(status, f"{where}: {reason}" if where else reason)
