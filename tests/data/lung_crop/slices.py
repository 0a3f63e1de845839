"""A drawn slice of a chest, as CT shows it: for tests and for the picture in the documents."""

import numpy as np

LEFT = (0.5, 0.31, 0.21, 0.12)
RIGHT = (0.52, 0.69, 0.19, 0.13)
"""Row, column, half height and half width of each lung, as shares of the slice."""


def ellipse(height, width, row, column, high, wide):
    """Returns where an ellipse is, bool [height, width]; all but the shape as shares."""
    rows = (np.arange(height)[:, None] + 0.5) / height - row
    columns = (np.arange(width)[None, :] + 0.5) / width - column
    return (rows / high) ** 2 + (columns / wide) ** 2 <= 1


def ct_slice(height=200, width=240, *, lungs=(LEFT, RIGHT), seed=0):
    """Returns a drawn slice, uint8 [height, width, 1].

    Dark air, a gray body with brighter spine and ribs, a table, dark lungs with vessels, noise.
    """
    rng = np.random.default_rng(seed)
    picture = np.full((height, width), 12.0)
    picture[ellipse(height, width, 0.5, 0.5, 0.36, 0.42)] = 130
    picture[round(0.9 * height) : round(0.92 * height), width // 8 : -width // 8] = 90
    picture[ellipse(height, width, 0.77, 0.5, 0.07, 0.06)] = 235
    for lung in lungs:
        inside = ellipse(height, width, *lung)
        picture[inside] = 35
        for _ in range(25):
            row, column = lung[0] + rng.uniform(-0.2, 0.2), lung[1] + rng.uniform(-0.1, 0.1)
            picture[inside & ellipse(height, width, row, column, 0.008, 0.007)] = 110
    picture += rng.normal(0, 6, picture.shape)
    return np.clip(picture.round(), 0, 255).astype(np.uint8)[..., None]
