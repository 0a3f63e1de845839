"""Drawn films for the tests of copies, and what people do to films."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE_PX = 256


def film(number):
    """Returns a picture uint8 [256, 256] that all films share in the large and none in the small.

    Bright sides and two dark fields, as in a chest, under a texture of its own.
    """
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    lungs = sum(
        np.exp(-(((columns - side) / 0.3) ** 2) - (rows / 0.6) ** 2) for side in (-0.45, 0.45)
    )
    texture = sum(
        weight * ndimage.gaussian_filter(rng.standard_normal((SIDE_PX, SIDE_PX)), scale) * scale
        for scale, weight in ((3, 25), (8, 25), (20, 20))
    )
    return np.clip(170 - 90 * lungs + texture, 0, 255).astype(np.uint8)


def recoded(pixels, *, size=None, crop=(0, 0, 0, 0), quality=60):
    """Returns a film after a crop (shares left, right, top, bottom), a resize and a JPEG codec."""
    image = Image.fromarray(pixels)
    left, right, top, bottom = crop
    width, height = image.size
    image = image.crop(
        (
            round(left * width),
            round(top * height),
            round((1 - right) * width),
            round((1 - bottom) * height),
        )
    )
    image = image.resize(size or image.size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def thumbnail(pixels, side=96):
    """Returns a film as the search sees it, uint8 [96, 96]."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
