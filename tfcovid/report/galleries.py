"""Small galleries of images: examples of each class, pairs of copies, errors."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

GAP_PX = 4
PAPER = 255
COLUMNS = 6


def gallery(thumbnails: np.ndarray, *, columns: int = COLUMNS) -> bytes:
    """Returns images side by side, as a PNG file.

    Args:
      thumbnails: uint8 [n, side, side], at least one.
      columns: images in a row.
    """
    side = thumbnails.shape[1]
    columns = min(columns, len(thumbnails))
    rows = -(-len(thumbnails) // columns)
    step = side + GAP_PX
    sheet = np.full((rows * step - GAP_PX, columns * step - GAP_PX), PAPER, np.uint8)
    for place, picture in enumerate(thumbnails):
        top, left = place // columns * step, place % columns * step
        sheet[top : top + side, left : left + side] = picture
    return _png(sheet)


def pair_gallery(first: np.ndarray, second: np.ndarray) -> bytes:
    """Returns pairs of images, each pair one above the other, as a PNG file.

    Args:
      first: uint8 [n, side, side], at least one.
      second: of the same shape.
    """
    return gallery(np.concatenate([first, second]), columns=len(first))


def examples_of(rows: Sequence[int], count: int) -> np.ndarray:
    """Returns up to `count` of the rows, evenly spread, int64."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return np.asarray(rows, np.int64)[places]


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
