"""Splits by group where an image has several labels: each finding in every part, if it can be.

Iterative stratification: of the labels that still have groups, that of the fewest is given out
first, each group to the part that lacks most of it. So the rare findings, which chance alone would
leave out of a part, are divided before the frequent ones, whose many groups even out the rest.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfcovid.data.sources.reading import TEXT, listing
from tfcovid.data.split import MAX_ORDERS, TEST, TRAIN, VALIDATION, digest

FLAG = "--split="


def split_by_labels(
    frame: pd.DataFrame,
    targets: np.ndarray,
    *,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> pd.Series:
    """Returns a random split of whole groups, stratified by every label and the source.

    A label of three groups or more is in every part, wherever an order of the groups was found
    that does it; one of fewer is trained on first, then tested.

    Args:
      frame: columns source and group_id, n rows.
      targets: label matrix int8 [n, num_outputs]: 1, 0, or -1 for unknown.
      test_fraction: share of the groups, above 0.
      validation_fraction: the same; both together below 1.
      seed: another seed gives another split.

    Returns:
      "train", "validation" or "test", text [n], indexed like `frame`.

    Raises:
      ValueError: if a fraction is out of range or there are fewer than 3 groups.

    Source: Sechidis, Tsoumakas and Vlahavas 2011, ECML PKDD, algorithm 1; on groups.
    """
    fractions = {TEST: test_fraction, VALIDATION: validation_fraction}
    parts = _divide(frame, targets, fractions, seed, f"{FLAG}patient")
    return frame["group_id"].map(parts).astype(TEXT).rename("split")


def official_split_by_labels(
    frame: pd.DataFrame,
    targets: np.ndarray,
    official: pd.Series,
    *,
    validation_fraction: float,
    seed: int,
) -> pd.Series:
    """Returns the publisher's split, its training part divided as by `split_by_labels`.

    Args:
      frame: columns source and group_id, n rows.
      targets: label matrix int8 [n, num_outputs].
      official: "TRAIN" or "TEST", text [n], indexed like `frame`.
      validation_fraction: share of the groups of TRAIN, between 0 and 1.
      seed: another seed gives another validation split; the test split is the publisher's.

    Raises:
      ValueError: if an image has no official split, TRAIN or TEST has none, or a group stands in
        both.
    """
    flag = f"{FLAG}official"
    known = official.isin(["TRAIN", "TEST"])
    if not known.all():
        raise ValueError(
            f"{flag}: expected TRAIN or TEST for every image, {(~known).sum()} of {len(known)} "
            f"have neither; use {FLAG}patient."
        )
    in_test = (official == "TEST").to_numpy(bool)
    if in_test.all() or not in_test.any():
        raise ValueError(f"{flag}: expected images in TRAIN and in TEST; use {FLAG}patient.")
    torn = sorted(set(frame["group_id"][in_test]) & set(frame["group_id"][~in_test]))
    if torn:
        raise ValueError(
            f"{flag}: expected every patient in TRAIN or in TEST, {len(torn)} stand in both "
            f"({listing(torn)}); use {FLAG}patient."
        )
    return _rest_divided(frame, targets, in_test, validation_fraction, seed, flag)


def kfold_split_by_labels(
    frame: pd.DataFrame,
    targets: np.ndarray,
    *,
    folds: int,
    fold: int,
    validation_fraction: float,
    seed: int,
) -> pd.DataFrame:
    """Returns the fold of every image, and the split in which one fold is the test split.

    Args:
      frame: columns source and group_id, n rows.
      targets: label matrix int8 [n, num_outputs].
      folds: number of folds, 2 or more.
      fold: the fold to test on, 0 to folds - 1.
      validation_fraction: share of the groups outside that fold, between 0 and 1.
      seed: another seed gives other folds. The folds do not depend on `fold`.

    Returns:
      Columns split (text) and fold (Int64, 0 to folds - 1), n rows, indexed like `frame`.

    Raises:
      ValueError: if folds or fold is out of range, or there are fewer groups than folds.
    """
    flag = f"{FLAG}kfold"
    if folds < 2 or not 0 <= fold < folds:
        raise ValueError(
            f"{flag}: expected --folds >= 2 and --fold from 0 to folds - 1. "
            f"Received: --folds={folds} --fold={fold}."
        )
    members = _members(frame, targets)
    _check_groups(members, folds, flag)
    shares = {str(number): 1 / folds for number in range(folds)}
    fold_of = _best_order(members, shares, [*shares], seed).astype(int)
    folds_of_rows = frame["group_id"].map(fold_of)
    in_test = (folds_of_rows == fold).to_numpy(bool)
    split = _rest_divided(frame, targets, in_test, validation_fraction, seed, flag)
    return pd.DataFrame({"split": split, "fold": folds_of_rows.astype("Int64")})


def source_split_by_labels(
    frame: pd.DataFrame,
    targets: np.ndarray,
    *,
    held_out: str,
    validation_fraction: float,
    seed: int,
) -> pd.Series:
    """Returns the split in which one source is tested on and the others are trained on.

    Arguments and the images in no split as `split.source_split`; a label that the held-out source
    lacks has no figure there.

    Raises:
      ValueError: if there is no such source or no other.
    """
    sources = sorted(frame["source"].dropna().unique())
    if held_out not in sources or len(sources) < 2:
        raise ValueError(
            f"--held_out_source={held_out}: expected one of several sources of the data, which are "
            f"{', '.join(sources)}."
        )
    in_test = (frame["source"] == held_out).to_numpy(bool)
    touched = frame["group_id"].isin(frame.loc[in_test, "group_id"]).to_numpy(bool)
    flag = f"{FLAG}leave_one_source_out"
    split = _rest_divided(frame, targets, touched, validation_fraction, seed, flag)
    return split.mask(touched & ~in_test)


def _rest_divided(
    frame: pd.DataFrame,
    targets: np.ndarray,
    apart: np.ndarray,
    validation_fraction: float,
    seed: int,
    flag: str,
) -> pd.Series:
    """Returns "test" for the rows that are set apart, and a division of the others."""
    rest = ~apart
    fractions = {VALIDATION: validation_fraction}
    parts = _divide(frame[rest], targets[rest], fractions, seed, flag)
    return frame["group_id"].map(parts).mask(apart, TEST).astype(TEXT).rename("split")


def _divide(
    frame: pd.DataFrame,
    targets: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    flag: str,
) -> pd.Series:
    """Returns the part of each group: one of `fractions`, or train for the rest."""
    train = 1 - sum(fractions.values())
    if not (all(share > 0 for share in fractions.values()) and train > 0):
        given = ", ".join(f"{part} {share}" for part, share in fractions.items())
        raise ValueError(f"{flag}: expected shares above 0, together below 1. Received: {given}.")
    members = _members(frame, targets)
    _check_groups(members, len(fractions) + 1, flag)
    return _best_order(members, {TRAIN: train, **fractions}, [TRAIN, *fractions], seed)


def _members(frame: pd.DataFrame, targets: np.ndarray) -> pd.DataFrame:
    """Returns which groups have images of each label or source, bool [groups, labels]."""
    if frame["group_id"].isna().any():
        raise ValueError("A split needs a group_id for every image; some are missing.")
    has = pd.DataFrame(np.asarray(targets) == 1, index=frame.index)
    sources = pd.get_dummies(frame["source"].fillna(""), dtype=bool)
    columns = pd.concat([has, sources], axis=1)
    columns.columns = pd.RangeIndex(columns.shape[1])
    return columns.groupby(frame["group_id"]).any()


def _check_groups(members: pd.DataFrame, fewest: int, flag: str) -> None:
    if len(members) < fewest:
        raise ValueError(
            f"{flag}: expected at least {fewest} groups (patients). Received: {len(members)}."
        )


def _best_order(
    members: pd.DataFrame, shares: Mapping[str, float], needy: Sequence[str], seed: int
) -> pd.Series:
    """Returns the part of each group, by the first order in which no part lacks a label.

    Where there is no such order among MAX_ORDERS, by the one that lacks the fewest.
    """
    best, fewest = None, math.inf
    has, groups = members.to_numpy(), [str(group) for group in members.index]
    enough = has.sum(axis=0) >= len(shares)
    for attempt in range(MAX_ORDERS):
        order = np.array(sorted(range(len(groups)), key=lambda i: digest(seed, attempt, groups[i])))
        parts = np.empty(len(members), np.int64)
        parts[order] = _given_out(has[order], np.array([shares[part] for part in needy]))
        lacking = sum(
            int((enough & ~has[parts == number].any(axis=0)).sum()) for number in range(len(needy))
        )
        if lacking < fewest:
            best, fewest = parts, lacking
        if lacking == 0:
            break
    return pd.Series(np.array(needy, object)[best], members.index, dtype=TEXT)


def _given_out(has: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the part of each group, int [groups], by iterative stratification in their order."""
    counts = has.sum(axis=0)
    wanted = _wanted(counts, shares)
    room = shares * len(has)
    part = np.full(len(has), -1)
    while (part < 0).any():
        left = has[part < 0].sum(axis=0)
        if not left.any():  # of no label at all: by size alone
            label, rows = None, np.flatnonzero(part < 0)
        else:
            label = int(np.argmin(np.where(left > 0, left, len(has) + 1)))
            rows = np.flatnonzero((part < 0) & has[:, label])
        for row in rows:
            need = room if label is None else wanted[:, label]
            # Equals go to the part with most room, then to the first, which is the training part.
            part[row] = int(np.lexsort((-room, -need))[0])
            wanted[part[row]] -= has[row]
            room[part[row]] -= 1
    return part


def _wanted(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns how many groups of each label each part is to have, float [parts, labels].

    At least one where the label has a group for each part.
    """
    wanted = shares[:, None] * counts[None, :]
    short = np.maximum(1.0 - wanted, 0.0) * (counts >= len(shares))
    largest = wanted.argmax(axis=0)
    wanted = np.maximum(wanted, np.where(counts >= len(shares), 1.0, 0.0))
    wanted[largest, np.arange(len(counts))] -= short.sum(axis=0)
    return wanted
