"""Two brushes of the drawn films: the soft step and the smooth noise."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grid = NDArray[np.floating]
"""A picture of one quantity, float [size, size]."""


def smooth_step(distance: Grid, width: float) -> Grid:
    """Returns 0 below -width / 2, 1 above width / 2 and a smooth rise between, any shape."""
    step = np.clip(distance / width + 0.5, 0.0, 1.0)
    return step * step * (3.0 - 2.0 * step)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Grid:
    """Returns noise of mean 0 and standard deviation 1, float32 of the given shape [size, size].

    Args:
      rng: generator the noise is drawn from.
      shape: (size, size).
      scale: width of its grains as a fraction of the size.
    """
    field = rng.standard_normal(shape, dtype=np.float32)
    field = ndimage.gaussian_filter(field, scale * shape[0], truncate=3.0)
    return (field - field.mean()) / field.std()
