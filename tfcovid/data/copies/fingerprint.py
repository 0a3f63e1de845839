"""The small gray picture of each image that copies are looked for in, and its hashes.

The hash is the sign of each low frequency of the cosine transform, as in the pHash of Zauner 2010,
with 12 by 12 frequencies in place of 8 by 8: chest films are so alike that 63 bits collide. It
is computed here for all images at once, over the thumbnails that the decoding pass leaves;
libraries hash file by file and would decode everything again.

A cropped copy has another hash. So each image is also hashed as if it had lost a part of its
border, in the ways of `CROPS`, and the whole of one image is held against the crops of the other.
"""

import numpy as np
from scipy import fft

THUMBNAIL_PX = 96
HASHED_PX = 32
FREQUENCIES = 12
HASH_BITS = FREQUENCIES**2 - 1
TRANSFORMED = 256  # images at a time, 10 MB of them in float32

Crop = tuple[float, float, float, float]


def _crops() -> tuple[Crop, ...]:
    """Returns shares cut off (left, right, top, bottom), which tile the crops up to 0.1 a side."""
    whole = [(0.0, 0.0, 0.0, 0.0)]
    corners = [(a, 0.06 - a, b, 0.06 - b) for a in (0.0, 0.06) for b in (0.0, 0.06)]
    even = [(share,) * 4 for share in (0.04, 0.08)]
    far = [(a, 0.14 - a, b, 0.14 - b) for a in (0.03, 0.11) for b in (0.03, 0.11)]
    return tuple(whole + corners + even + far)


CROPS = _crops()


def hashes(thumbnails: np.ndarray, crop: Crop = CROPS[0]) -> np.ndarray:
    """Returns the hash of each image after a part of its border is cut off.

    Args:
      thumbnails: uint8 [n, 96, 96].
      crop: shares cut off at the left, right, top and bottom.

    Returns:
      Signs -1 or 1, float32 [n, 143]; the dot product of two is 143 less twice the number of
      differing bits.
    """
    # Resampling and transform are one product an axis, of which the low frequencies suffice.
    left, right, top, bottom = crop
    transform = fft.dct(np.eye(HASHED_PX, dtype=np.float32), axis=0)[:FREQUENCIES]
    rows = transform @ _area_weights(thumbnails.shape[1], top, 1 - bottom, HASHED_PX)
    columns = transform @ _area_weights(thumbnails.shape[2], left, 1 - right, HASHED_PX)
    coefficients = _along_both(thumbnails, rows, columns).reshape(len(thumbnails), -1)[:, 1:]
    above = coefficients > np.median(coefficients, axis=1, keepdims=True)
    return np.where(above, 1, -1).astype(np.float32)


def resample(images: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    """Returns the part of the images that a crop leaves, averaged by area to size by size.

    Args:
      images: [n, side, side].
      crop: shares cut off at the left, right, top and bottom.
      size: side of the result, at most the side of what is left.

    Returns:
      float32 [n, size, size].
    """
    left, right, top, bottom = crop
    rows = _area_weights(images.shape[1], top, 1 - bottom, size)
    columns = _area_weights(images.shape[2], left, 1 - right, size)
    return _along_both(images, rows, columns)


def _along_both(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns rows @ image @ columns.T of each image, float32."""
    out = np.empty((len(images), len(rows), len(columns)), np.float32)
    for start in range(0, len(images), TRANSFORMED):
        part = slice(start, start + TRANSFORMED)
        # Two large products; two small ones an image would wait for each other's threads.
        narrow = _times(images[part].astype(np.float32), columns)
        out[part] = _times(narrow.swapaxes(1, 2), rows).swapaxes(1, 2)
    return out


def _times(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns images @ weights.T, [n, height, size], as one product."""
    n, height, width = images.shape
    return (images.reshape(n * height, width) @ weights.T).reshape(n, height, -1)


def _area_weights(side: int, start: float, stop: float, size: int) -> np.ndarray:
    """Returns how much of each old pixel is in each new one, float32 [size, side]."""
    edges = np.linspace(start * side, stop * side, size + 1)
    first, last = edges[:-1, None], edges[1:, None]
    pixels = np.arange(side)
    overlap = np.clip(np.minimum(last, pixels + 1) - np.maximum(first, pixels), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
