"""Groups of images that may never be separated by a split, a fold or a bootstrap."""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from tfcovid.data.sources.reading import TEXT

DIGEST_CHARACTERS = 16


def connected_rows(*keys: pd.Series) -> np.ndarray:
    """Returns which rows hang together because they share a value of some key.

    Rows are one component when a chain of rows leads from one to the other, each link of it with
    the same value of one of the keys. A missing value links nothing.

    Args:
      keys: one or more columns of the same length n; values of different keys never match.

    Returns:
      Component numbers, int32 [n]; equal for rows that hang together.

    Source: connected components of the bipartite graph of rows and values (SciPy's csgraph).
    """
    num_rows = len(keys[0])
    row_ends, value_ends, num_nodes = [], [], num_rows
    for key in keys:
        codes, values = pd.factorize(key)
        known = np.flatnonzero(codes >= 0)
        row_ends.append(known)
        value_ends.append(codes[known] + num_nodes)
        num_nodes += len(values)
    ends = (np.concatenate(row_ends), np.concatenate(value_ends))
    graph = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(num_nodes, num_nodes))
    return csgraph.connected_components(graph, directed=False)[1][:num_rows]


def assign_groups(
    patient_ids: pd.Series, sha256: pd.Series, copies: np.ndarray | None = None
) -> pd.Series:
    """Returns the group of each image: connected by the same patient, identical bytes or copies.

    The name of a group depends on its members only, not on the order of the rows: it is the first
    of its patient ids in the order of text, or the start of its digest where no patient is known.

    Args:
      patient_ids: text [n]; missing where unknown, and then the image is a group of its own
        unless its bytes stand elsewhere too.
      sha256: hexadecimal digests of the files, text [n].
      copies: numbers that copies share, int [n], or None where none were looked for.

    Returns:
      Group ids, text [n], indexed like `patient_ids`.

    Raises:
      ValueError: if a digest is missing.
    """
    if sha256.isna().any():
        raise ValueError(
            f"assign_groups: expected a SHA-256 for every image, {sha256.isna().sum()} are missing."
        )
    keys = [patient_ids, sha256]
    if copies is not None:
        keys.append(pd.Series(copies, patient_ids.index))
    components = connected_rows(*keys)
    by_digest = "sha256:" + sha256.str.slice(0, DIGEST_CHARACTERS)
    names = pd.DataFrame({"patient": patient_ids.to_numpy(), "digest": by_digest.to_numpy()})
    first = names.groupby(components).min()
    ids = first["patient"].fillna(first["digest"])
    return pd.Series(ids.loc[components].to_numpy(), index=patient_ids.index, dtype=TEXT)
