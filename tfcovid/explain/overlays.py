"""Heat maps as pictures, alone and laid over films."""

import io

import matplotlib
import numpy as np
from PIL import Image

COLORMAP = "inferno"
"""From dark to light, so that it reads the same without colour."""

OPACITY = 0.6
"""Of the hottest place; where there is no heat the film shows as it is."""


def coloured(heat_map: np.ndarray) -> np.ndarray:
    """Returns the colours of a heat map, uint8 [height, width, 3].

    Args:
      heat_map: float [height, width] in 0..1; what is outside counts as the nearer end.
    """
    return matplotlib.colormaps[COLORMAP](np.clip(heat_map, 0, 1), bytes=True)[..., :3]


def overlay(square: np.ndarray, heat_map: np.ndarray) -> np.ndarray:
    """Returns the film with the heat over it, uint8 [size, size, 3].

    Args:
      square: the film, uint8 [size, size].
      heat_map: float [size, size] in 0..1.
    """
    film = np.repeat(square[..., None].astype(np.float64), 3, axis=-1)
    opacity = OPACITY * np.clip(heat_map, 0, 1)[..., None]
    return np.rint(film * (1 - opacity) + coloured(heat_map) * opacity).astype(np.uint8)


def as_png(pixels: np.ndarray, *, side: int | None = None) -> bytes:
    """Returns an image as a PNG file.

    Args:
      pixels: uint8 [height, width, 3 or 4] or [height, width].
      side: width and height in the file, px, or None to keep them.
    """
    image = Image.fromarray(pixels)
    if side is not None:
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
