"""Which images are copies of one another: the same bytes, the same picture, or nearly so."""

import enum
from collections.abc import Callable

import numpy as np
import pandas as pd

from tfcovid.data.copies.alignment import aligned_correlation
from tfcovid.data.copies.proposal import propose_pairs
from tfcovid.data.sources.reading import TEXT

# From here on a pair hangs together: no split may part it. Of 6,490 films, no two of which the
# publishers call different patients came as far as 0.76 unless they are one film.
SAME_GROUP = 0.85
# From here on it is one film twice, and one of the two is left out.
SAME_PICTURE = 0.95

PAIR_COLUMNS = ("first", "second", "how", "correlation")


class How(enum.StrEnum):
    """In what way two images are copies."""

    SAME_BYTES = "same bytes"
    SAME_PICTURE = "same picture"
    LOOK_ALIKE = "look-alike"


def find_copies(
    sha256: pd.Series,
    thumbnails: np.ndarray | None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Returns the pairs of images that are copies of one another.

    Args:
      sha256: digests of the files, text [n].
      thumbnails: uint8 [n, 96, 96] of the whole images; None compares bytes only.
      progress: called with (images compared by hash, images in all), then with (pairs laid over one
        another, pairs in all).

    Returns:
      A pair a row, columns PAIR_COLUMNS: positions int64, `first` below `second`; a value of How;
      the aligned correlation, 1 for the same bytes. Images of the same bytes are compared by one
      of them only, so that a hundred copies make no 4,950 rows: each is paired with the first.
    """
    digests = sha256.to_numpy()
    _, firsts, inverse = np.unique(digests, return_index=True, return_inverse=True)
    first_of = firsts[inverse]
    again = np.flatnonzero(first_of != np.arange(len(digests)))
    same_bytes = pd.DataFrame(
        {"first": first_of[again], "second": again, "how": str(How.SAME_BYTES), "correlation": 1.0}
    )
    if thumbnails is None:
        return _typed(same_bytes)
    unique = np.sort(firsts)
    pairs, correlation = _alike(thumbnails[unique], progress)
    alike = pd.DataFrame({"first": unique[pairs[:, 0]], "second": unique[pairs[:, 1]]})
    alike["how"] = np.where(correlation >= SAME_PICTURE, str(How.SAME_PICTURE), str(How.LOOK_ALIKE))
    alike["correlation"] = correlation
    return _typed(pd.concat([same_bytes, alike], ignore_index=True))


def _typed(pairs):
    types = {"first": "int64", "second": "int64", "how": TEXT, "correlation": float}
    return pairs[list(PAIR_COLUMNS)].astype(types)


def _alike(thumbnails, progress):
    """Returns pairs [m, 2], each once and in order, with their best correlation [m]."""
    if len(thumbnails) < 2:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    proposed, crops = propose_pairs(thumbnails, progress=progress)
    correlation = aligned_correlation(thumbnails, proposed, crops, progress=progress)
    near = correlation >= SAME_GROUP
    ordered = np.sort(proposed[near], axis=1)
    best = pd.Series(correlation[near]).groupby([ordered[:, 0], ordered[:, 1]]).max()
    pairs = np.array(best.index.to_list(), np.int64).reshape(-1, 2)
    return pairs, best.to_numpy(float)
