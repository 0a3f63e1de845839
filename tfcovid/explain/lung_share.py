"""How much of a heat map lies on the lungs."""

import numpy as np


def box_mask(box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """Returns which pixels of a square lie in a box, bool [size, size].

    Args:
      box: top, bottom, left and right as fractions of the image.
      size: side of the square, px.
    """
    top, bottom, left, right = box
    middles = (np.arange(size) + 0.5) / size
    rows = (middles >= top) & (middles < bottom)
    columns = (middles >= left) & (middles < right)
    return rows[:, None] & columns[None, :]


def heat_inside(heat_maps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns the share of each map's heat that lies inside, NaN where a map has no heat.

    A map that is the same everywhere has the share that the inside has of the image.

    Args:
      heat_maps: float [..., size, size], at least 0.
      inside: bool [size, size].
    """
    whole = heat_maps.sum(axis=(-2, -1), dtype=np.float64)
    within = np.where(inside, heat_maps, 0).sum(axis=(-2, -1), dtype=np.float64)
    return np.divide(within, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
