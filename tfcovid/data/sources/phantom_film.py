"""Turns a drawn chest and a finding into a film: exposure, foreign objects, noise.

The gray values of the lungs are mapped by rank to a distribution drawn without knowing the
finding, as automatic exposure would. So a dense lobe makes the rest of the lungs darker, and no
histogram tells the findings apart: only where in the lungs the bright pixels lie does.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfcovid.data.sources.phantom import Chest
from tfcovid.data.sources.phantom_field import Grid, smooth_noise

# A letter on the film, which real films carry too: which side is the patient's right.
_LETTER_R = np.array(
    [[1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1]], np.float32
)


def expose(chest: Chest, opacity: Grid, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Returns the film of a chest with a finding, uint8 [size, size].

    Args:
      chest: the patient as pictures of [size, size].
      opacity: how dense the finding is, float32 [size, size], 0..1; counts inside the lungs only.
      rng: generator of all that differs from film to film.
    """
    clear = np.clip(1.0 - opacity, 0.0, 1.0)
    grain = smooth_noise(rng, opacity.shape, 0.02) * rng.uniform(0.02, 0.06)
    shade = smooth_noise(rng, opacity.shape, 0.15) * rng.uniform(0.03, 0.10)
    tissue: Grid = 0.35 * chest.bones + 0.5 * chest.vessels * clear + 0.5 * chest.haze
    tissue += 0.25 * chest.height * rng.uniform(-0.5, 1.0) + 1.0 * opacity + grain + shade
    tissue += _nipples(chest, rng)
    film: Grid = (
        chest.surroundings * (1.0 - chest.lungs) + _exposed_lungs(chest, tissue, rng) * chest.lungs
    )
    film = _foreign_objects(film, chest, rng)
    film = (rng.uniform(0.0, 0.06) + film * rng.uniform(0.85, 1.1)).clip(0.0, 1.2)
    film = film ** rng.uniform(0.8, 1.25)
    film = ndimage.gaussian_filter(film, rng.uniform(0.2, 0.6) * len(film) / 96)
    film += rng.standard_normal(film.shape, dtype=np.float32) * rng.uniform(0.005, 0.025)
    return np.round(np.clip(film, 0.0, 1.0) * 255.0).astype(np.uint8)


def _exposed_lungs(chest: Chest, tissue: Grid, rng: np.random.Generator) -> Grid:
    """Maps the lungs' values by rank to a random distribution that does not know the finding."""
    inside = np.sort(tissue[chest.lungs > 0.5])
    rank = np.searchsorted(inside, tissue.ravel()).reshape(tissue.shape) / len(inside)
    darkest, span = rng.uniform(0.06, 0.2), rng.uniform(0.32, 0.46)
    return (darkest + span * rank ** rng.uniform(0.9, 1.6)).astype(np.float32)


def _nipples(chest: Chest, rng: np.random.Generator) -> Grid:
    """Two small round shadows in some films, which belong to no finding."""
    if rng.random() > 0.3:
        return np.zeros_like(chest.u)
    u, v, size = rng.uniform(0.14, 0.22), rng.uniform(0.06, 0.16), rng.uniform(0.010, 0.018)
    square = ((np.abs(chest.u) - u) ** 2 + (chest.v - v) ** 2) / size**2
    return rng.uniform(0.3, 0.6) * np.exp(-0.5 * square)


def _foreign_objects(film: Grid, chest: Chest, rng: np.random.Generator) -> Grid:
    """Side letter, electrode with its lead, tube: each in some films, whatever the finding."""
    film = film.copy()
    if rng.random() < 0.6:
        _stamp_letter(film, rng)
    if rng.random() < 0.2:
        u, v, slope = rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2), rng.uniform(-0.6, 0.6)
        lead = np.abs(chest.u - u - slope * (chest.v - v) - 0.03 * np.sin(9.0 * chest.v))
        film += 0.25 * np.clip(1.5 - lead / 0.006, 0.0, 1.0) * (chest.v > v)
        film += 0.35 * (np.hypot(chest.u - u, chest.v - v) < 0.02)
    if rng.random() < 0.1:
        tube = np.abs(chest.u - 0.03 * np.sin(4.0 * chest.v)) < 0.007
        film += 0.2 * tube * (chest.v < rng.uniform(-0.1, 0.35))
    return film


def _stamp_letter(film: Grid, rng: np.random.Generator) -> None:
    """Writes an R into an upper corner, in place, above the rows where lungs can be."""
    scale = max(1, round(len(film) / 96))
    letter = np.kron(_LETTER_R, np.ones((scale, scale), np.float32))
    height, width = letter.shape
    row = int(rng.integers(scale, max(scale + 1, int(0.12 * len(film)) - height)))
    column = int(rng.integers(scale, int(0.2 * len(film))))
    patch = film[row : row + height, column : column + width]
    np.maximum(patch, 0.95 * letter, out=patch)
