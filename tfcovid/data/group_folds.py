"""Folds of whole groups, for fits that are to be asked about images they have not seen."""

import numpy as np

MAX_ORDERS = 100


def group_folds(labels: np.ndarray, groups: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Returns the fold of each row: groups whole, every class outside every fold.

    Groups are dealt out in turn, class by class, the rarest class first; a group of several
    classes counts as the one that the fewest groups have. A fold need not hold every class, what
    lies outside it must. Where no such folds were found, because a class has few groups that are
    also of others, each group is a fold of its own.

    Args:
      labels: class indices int [n].
      groups: names or numbers [n].
      folds: how many, at least 2; fewer where there are fewer groups.
      seed: another one deals otherwise. The order of the rows does not matter.

    Returns:
      int [n], from 0.

    Raises:
      ValueError: if a class is in one group only, which cannot be in and out.
    """
    names, of_row = np.unique(groups, return_inverse=True)
    classes, of_label = np.unique(labels, return_inverse=True)
    members = np.zeros((len(names), len(classes)), bool)
    members[of_row, of_label] = True
    counts = members.sum(axis=0)
    if counts.min() < 2:
        raise ValueError(
            "cross-fitting needs two groups (patients) of every class, class "
            f"{classes[counts.argmin()]} has one; more images of it are needed"
        )
    rank = np.argsort(np.argsort(counts, kind="stable"))
    rarest = np.where(members, rank, len(classes)).min(axis=1)
    in_turn = np.arange(len(names)) % min(folds, len(names))
    fold = np.empty(len(names), int)
    for attempt in range(MAX_ORDERS):
        shuffled = np.random.default_rng([seed, attempt]).random(len(names))
        fold[np.lexsort((shuffled, rarest))] = in_turn
        if all(np.ptp(fold[of_class]) > 0 for of_class in members.T):
            return fold[of_row]
    return of_row
