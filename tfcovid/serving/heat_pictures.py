"""Draws what the page shows: the square that the network saw, and the heat map of each class."""

import base64

import numpy as np
from PIL import Image

from tfcovid.explain.overlays import as_png, coloured

LONGEST_SIDE_PX = 768


def gray_picture(square: np.ndarray) -> str:
    """Returns a gray picture as the address of a PNG file that a page can show.

    Args:
      square: uint8 [height, width].
    """
    return _address(square)


def heat_picture(heat_map: np.ndarray) -> str:
    """Returns a heat map as the address of a PNG file, to be laid over its picture.

    Args:
      heat_map: float32 [height, width] in [0, 1]. Where it is 0 the picture shows through, and
        where it is 1 nothing does.
    """
    opacity = np.rint(255 * heat_map).astype(np.uint8)
    return _address(np.dstack([coloured(heat_map), opacity]))


def whole_picture(gray: np.ndarray) -> str:
    """Returns a whole image in gray, no side longer than `LONGEST_SIDE_PX`, as `gray_picture`.

    Args:
      gray: uint8 [height, width].
    """
    picture = Image.fromarray(gray)
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return _address(np.asarray(picture))


def _address(pixels: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(as_png(pixels)).decode()}"
