"""What a file and its outermost pixels show that is not anatomy, and which small model reads it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tfcovid.controls.probes import Box, histogram, thumbnail

RIM_PX = 2
CORNER_PX = 4
THUMBNAIL_CELLS = 16
UNKNOWN = "unknown"

# Nearly black and nearly white: lossy compression leaves no exact 0 or 255.
BLACK, WHITE = 8, 247


def _linear(seed: int) -> Any:
    # Many gray levels that act together: linear, as the probes of a run are, and strongly held
    # back. A tree would need many more images to add up faint differences.
    return make_pipeline(
        StandardScaler(),
        LogisticRegression(
            C=0.1, class_weight="balanced", max_iter=300, tol=1e-3, random_state=seed
        ),
    )


def _tree(seed: int) -> Any:
    # Few values that tell by being equal or between: "224 wide" is no direction, which a linear
    # model would need. A missing value is a branch of its own.
    return DecisionTreeClassifier(
        max_depth=6, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of evidence.

    Attributes:
      sees: for the reader, in one phrase.
      model: makes the classifier, from a seed.
      caveat: what else a score may mean; "" for nothing.
    """

    sees: str
    model: Callable[[int], Any]
    caveat: str = ""


FAMILIES: dict[str, Family] = {
    "file_format": Family("the file format", _tree),
    "size": Family("the width and height in pixels", _tree),
    "mode": Family("the colour mode of the file", _tree),
    "aspect": Family("the ratio of width to height", _tree),
    "border_pixels": Family("the outermost pixels and the corners", _linear),
    "histogram": Family(
        "the gray-level histogram, no shape at all",
        _linear,
        "Disease changes gray levels too: on its own this is no proof.",
    ),
    "border_thumbnail": Family(
        "a 16x16 thumbnail outside the lung box",
        _linear,
        "Shoulders, arms and the field of view are in it: age and posture show.",
    ),
}
"""Every family of evidence, what tells least of the patient first."""


def image_evidence(
    *,
    formats: Sequence[str | None],
    modes: Sequence[str | None],
    widths: np.ndarray,
    heights: np.ndarray,
    squares: np.ndarray,
    box: Box,
) -> dict[str, np.ndarray]:
    """Returns the evidence of every family of FAMILIES, each float [n, features].

    Args:
      formats: of the files, such as "JPEG"; None is a value of its own.
      modes: colour modes, such as "RGB"; None is a value of its own.
      widths: of the original images in pixels, [n]; NaN where unknown.
      heights: likewise.
      squares: the whole images stretched to squares, uint8 [n, size, size, 1].
      box: the lung box: top, bottom, left, right as fractions of the size.
    """
    return {
        "file_format": one_hot(formats),
        "size": size(widths, heights),
        "mode": one_hot(modes),
        "aspect": aspect(widths, heights),
        "border_pixels": border_pixels(squares),
        "histogram": histogram(squares),
        "border_thumbnail": border_thumbnail(squares, box),
    }


def one_hot(values: Sequence[str | None]) -> np.ndarray:
    """Returns a column a distinct value in alphabetical order, float32 [n, values]; None is one."""
    names = np.array([UNKNOWN if value is None else str(value) for value in values], dtype=str)
    return (names[:, None] == np.unique(names)[None]).astype(np.float32)


def size(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Returns width, height and the logarithm of the area, float64 [n, 3]."""
    width, height = _sides(widths, heights)
    return np.stack([width, height, np.log(width * height)], axis=1)


def aspect(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Returns the logarithm of width / height, float64 [n, 1]."""
    width, height = _sides(widths, heights)
    return np.log(width / height)[:, None]


def border_pixels(squares: np.ndarray) -> np.ndarray:
    """Returns what the outermost pixels hold, float32 [n, 88].

    Of the rim of each side, 2 pixels deep: mean, standard deviation, minimum, maximum, share
    nearly black, share nearly white. Of each corner: the 4×4 pixels themselves, for a mark of
    a few pixels is lost in any mean.

    Args:
      squares: uint8 [n, size, size, 1], size at least 8.
    """
    gray = squares[..., 0]
    n, deep, corner = len(gray), RIM_PX, CORNER_PX
    rims = (gray[:, :deep], gray[:, -deep:], gray[:, :, :deep], gray[:, :, -deep:])
    near, far = slice(None, corner), slice(-corner, None)
    corners = [
        gray[:, rows, columns].reshape(n, -1) for rows in (near, far) for columns in (near, far)
    ]
    statistics = [_statistics(rim.reshape(n, -1).astype(np.float32)) for rim in rims]
    return np.concatenate([*statistics, *corners], axis=1).astype(np.float32)


def border_thumbnail(squares: np.ndarray, box: Box) -> np.ndarray:
    """Returns the cells of a 16×16 thumbnail that lie wholly outside the box, float32 [n, cells].

    Args:
      squares: uint8 [n, size, size, 1], size at least 16.
      box: top, bottom, left, right as fractions of the size.
    """
    side = squares.shape[1]
    edges = np.linspace(0, side, THUMBNAIL_CELLS + 1).round()
    top, bottom, left, right = (edge * side for edge in box)
    rows = (edges[1:] <= np.floor(top)) | (edges[:-1] >= np.ceil(bottom))
    columns = (edges[1:] <= np.floor(left)) | (edges[:-1] >= np.ceil(right))
    outside = rows[:, None] | columns[None]
    return thumbnail(squares, THUMBNAIL_CELLS)[:, outside.ravel()]


def _sides(widths: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(widths, np.float64), np.asarray(heights, np.float64)


def _statistics(pixels: np.ndarray) -> np.ndarray:
    return np.stack(
        [
            pixels.mean(axis=1),
            pixels.std(axis=1),
            pixels.min(axis=1),
            pixels.max(axis=1),
            (pixels <= BLACK).mean(axis=1),
            (pixels >= WHITE).mean(axis=1),
        ],
        axis=1,
    )
