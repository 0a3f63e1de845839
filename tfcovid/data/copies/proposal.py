"""Which pairs of images may be copies: the nearest by perceptual hash, crops included."""

from collections.abc import Callable

import numpy as np

from tfcovid.data.copies.fingerprint import CROPS, HASH_BITS, hashes

NEAREST = 16
# Measured: of 400 copies with up to 0.1 cut off at each side, none differed in more than 36 bits.
MOST_DIFFERING_BITS = 38
# Scores computed at a time, 16 MB of them, but of no fewer images: their products would be slow.
SCORES, LEAST_ROWS = 2**22, 128
NEVER = -(2**20)  # below every score, and a whole number in float32


def propose_pairs(
    thumbnails: np.ndarray, *, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs that are near by hash, and how one has to be cropped to meet the other.

    Of equals the earlier crop and the earlier image count as nearer.

    Args:
      thumbnails: uint8 [n, 96, 96], two or more.
      progress: called with (images done, images in all).

    Returns:
      Pairs int64 [m, 2]: an image, and one whose crop has nearly its hash; and the number of that
      crop in `CROPS`, int64 [m]. A pair stands at most once in each order.
    """
    n = len(thumbnails)
    hashed = [hashes(thumbnails, crop).astype(np.int8) for crop in CROPS]
    # One more column, so that a product is the agreement in bits and the crop in one number.
    cropped = [
        np.pad(signs, ((0, 0), (0, 1)), constant_values=len(CROPS) - 1 - number)
        for number, signs in enumerate(hashed)
    ]
    wholes = len(CROPS) * hashed[0].astype(np.float32)
    wholes = np.pad(wholes, ((0, 0), (0, 1)), constant_values=1)
    rows_at_a_time = max(LEAST_ROWS, SCORES // n)
    pairs, crops = [], []
    for start in range(0, n, rows_at_a_time):
        part = slice(start, min(start + rows_at_a_time, n))
        scores = _scores(wholes[part], cropped)
        scores[np.arange(len(scores)), np.arange(part.start, part.stop)] = NEVER
        which, kept = _nearest(scores)
        bits, crop = np.divmod(kept, len(CROPS))
        rows, columns = np.nonzero(bits >= HASH_BITS - 2 * MOST_DIFFERING_BITS)
        pairs.append(np.stack([start + rows, which[rows, columns]], axis=1))
        crops.append(len(CROPS) - 1 - crop[rows, columns])
        if progress:
            progress(part.stop, n)
    return np.concatenate(pairs), np.concatenate(crops)


def _scores(wholes: np.ndarray, cropped: list[np.ndarray]) -> np.ndarray:
    """Returns for each pair the best over the crops, whole numbers in float32 [rows, n]."""
    best = wholes @ cropped[0].T.astype(np.float32)
    other = np.empty_like(best)
    for hashed in cropped[1:]:
        np.matmul(wholes, hashed.T.astype(np.float32), out=other)
        np.maximum(best, other, out=best)
    return best


def _nearest(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the NEAREST columns of each row and their scores, int64 [rows, at most NEAREST].

    The nearest stands first.
    """
    n = scores.shape[1]
    count = min(NEAREST, n - 1)
    # The column in the last digits: no two keys are equal, so that any way of sorting agrees.
    keys = scores.astype(np.int64) * n + np.arange(n - 1, -1, -1)
    keys = np.sort(np.partition(keys, n - count, axis=1)[:, n - count :], axis=1)[:, ::-1]
    kept, column = np.divmod(keys, n)
    return n - 1 - column, kept
