"""Which pairs of images may be copies: the nearest by perceptual hash, crops included."""

from collections.abc import Callable

import numpy as np

from tfcovid.data.copies.fingerprint import CROPS, HASH_BITS, hashes

NEAREST = 16
# Measured: of 400 copies with up to 0.1 cut off at each side, none differed in more than 36 bits.
MOST_DIFFERING_BITS = 38
CHUNK = 1024


def propose_pairs(
    thumbnails: np.ndarray, *, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs that are near by hash, and how one has to be cropped to meet the other.

    Args:
      thumbnails: uint8 [n, 96, 96].
      progress: called with (chunks done, chunks in all).

    Returns:
      Pairs int64 [m, 2]: an image, and one whose crop has nearly its hash; and the number of that
      crop in `CROPS`, int64 [m]. A pair stands at most once in each order.
    """
    n = len(thumbnails)
    whole = hashes(thumbnails)
    best = np.full((n, NEAREST), -HASH_BITS, np.float32)
    other = np.zeros((n, NEAREST), np.int64)
    crop_of = np.zeros((n, NEAREST), np.int64)
    starts = range(0, n, CHUNK)
    for number, crop in enumerate(CROPS):
        cropped = whole if number == 0 else hashes(thumbnails, crop)
        for start in starts:
            part = slice(start, min(start + CHUNK, n))
            near, which = _nearest(whole[part], cropped, np.arange(part.start, part.stop))
            best[part], other[part], crop_of[part] = _merged(
                (best[part], other[part], crop_of[part]),
                (near, which, np.full_like(which, number)),
            )
            if progress:
                progress(number * len(starts) + start // CHUNK + 1, len(CROPS) * len(starts))
    near_enough = best >= HASH_BITS - 2 * MOST_DIFFERING_BITS
    rows, columns = np.nonzero(near_enough)
    return np.stack([rows, other[rows, columns]], axis=1), crop_of[rows, columns]


def _nearest(some: np.ndarray, every: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the agreement with the nearest images, [rows, NEAREST], and which they are."""
    agreement = some @ every.T
    agreement[np.arange(len(own)), own] = -np.inf
    count = min(NEAREST, agreement.shape[1])
    which = np.argpartition(-agreement, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(agreement, which, axis=1)
    missing = NEAREST - count
    padded = ((0, 0), (0, missing))
    return np.pad(near, padded, constant_values=-np.inf), np.pad(which, padded)


def _merged(*found: tuple[np.ndarray, np.ndarray, np.ndarray]):
    """Returns the NEAREST of two such lists, each neighbour once, with its better crop."""
    agreement, other, crop = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    order = np.argsort(-agreement, axis=1, kind="stable")
    agreement, other, crop = (
        np.take_along_axis(part, order, axis=1) for part in (agreement, other, crop)
    )
    # A neighbour that stands further ahead already: its better crop is there.
    again = np.zeros(other.shape, bool)
    for column in range(1, other.shape[1]):
        again[:, column] = (other[:, :column] == other[:, column, None]).any(axis=1)
    agreement = np.where(again, -np.inf, agreement)
    order = np.argsort(-agreement, axis=1, kind="stable")[:, :NEAREST]
    return tuple(np.take_along_axis(part, order, axis=1) for part in (agreement, other, crop))
