"""Splits by group: no patient, and no copy of a file, stands in two of them.

A split depends on the seed, the groups and their labels only. Groups are taken in the order of a
hash of (seed, group), so that a group that comes or goes moves few of the others.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from tfcovid.data.sources.reading import TEXT, listing

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
# Only where groups have several classes can the first order leave a part without one of them.
MAX_ORDERS = 100


def split_by_group(
    frame: pd.DataFrame, *, test_fraction: float, validation_fraction: float, seed: int
) -> pd.Series:
    """Returns a random split of whole groups, stratified by class and source.

    Every class is in every split. A source that has too few groups of a class to be in all three
    is stratified together with the others.

    Fractions count groups, not images: every patient is as likely to be tested as any other. A
    group with images of several classes is stratified by the class that the fewest groups have.

    Args:
      frame: columns label, source and group_id, n rows.
      test_fraction: share of each class's groups, above 0; at least one group is taken.
      validation_fraction: the same; both together below 1.
      seed: another seed gives another split.

    Returns:
      "train", "validation" or "test", text [n], indexed like `frame`.

    Raises:
      ValueError: if a fraction is out of range, a class has fewer than 3 groups, or no order of
        the groups was found that puts every class in every split.
    """
    fractions = {TEST: test_fraction, VALIDATION: validation_fraction}
    parts = _divide(frame, fractions, seed, "--split=patient")
    return frame["group_id"].map(parts).astype(TEXT).rename("split")


def official_split(
    frame: pd.DataFrame,
    official: pd.Series,
    *,
    validation_fraction: float,
    seed: int,
    classes: Sequence[str],
) -> pd.Series:
    """Returns the publisher's split, its training part divided into train and validation by group.

    Args:
      frame: columns label and group_id, n rows.
      official: "TRAIN" or "TEST", text [n], indexed like `frame`.
      validation_fraction: share of each class's groups in TRAIN, between 0 and 1.
      seed: another seed gives another validation split; the test split is the publisher's.
      classes: the classes of the task.

    Returns:
      "train", "validation" or "test", text [n], indexed like `frame`.

    Raises:
      ValueError: if an image has no official split, TEST lacks a class, a group stands in TRAIN
        and in TEST, or a class has fewer than 2 groups in TRAIN.
    """
    known = official.isin(["TRAIN", "TEST"])
    if not known.all():
        raise ValueError(
            f"--split=official: expected TRAIN or TEST for every image, {(~known).sum()} of "
            f"{len(known)} have neither; use --split=patient."
        )
    in_test = official == "TEST"
    tested = set(frame["label"][in_test])
    absent = [label for label in classes if label not in tested]
    if absent:
        raise ValueError(
            f"--split=official: expected every class in the publisher's TEST, it has no "
            f"{', '.join(absent)}; use --split=patient."
        )
    torn = sorted(set(frame["group_id"][in_test]) & set(frame["group_id"][~in_test]))
    if torn:
        raise ValueError(
            f"--split=official: expected every patient in TRAIN or in TEST, {len(torn)} stand in "
            f"both ({listing(torn)}); use --split=patient."
        )
    parts = _divide(frame[~in_test], {VALIDATION: validation_fraction}, seed, "--split=official")
    return frame["group_id"].map(parts).fillna(TEST).astype(TEXT).rename("split")


def kfold_split(
    frame: pd.DataFrame, *, folds: int, fold: int, validation_fraction: float, seed: int
) -> pd.DataFrame:
    """Returns the fold of every image, and the split in which one fold is the test split.

    Args:
      frame: columns label and group_id, n rows.
      folds: number of folds, 2 or more.
      fold: the fold to test on, 0 to folds - 1.
      validation_fraction: share of each class's groups outside that fold, between 0 and 1.
      seed: another seed gives other folds. The folds do not depend on `fold`.

    Returns:
      Columns split (text) and fold (Int64, 0 to folds - 1), n rows, indexed like `frame`.

    Raises:
      ValueError: if folds or fold is out of range, a class has fewer groups than folds or fewer
        than 2 outside the test fold, or the folds cannot be stratified so that each has every
        class.

    Source: scikit-learn's StratifiedGroupKFold, on rows sorted by group and label.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise ValueError(
            f"--split=kfold: expected --folds >= 2 and --fold from 0 to folds - 1. "
            f"Received: --folds={folds} --fold={fold}."
        )
    members = _classes_of_groups(frame)
    _check_group_counts(members, folds, "--split=kfold")
    ordered = frame[["label", "group_id"]].reset_index(drop=True).sort_values(["group_id", "label"])
    stratum = ordered["group_id"].map(_strata(frame, members, folds))
    folder = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    fold_of = pd.Series(0, index=members.index, dtype="Int64")
    for number, (_, rows) in enumerate(folder.split(ordered, stratum, ordered["group_id"])):
        fold_of[ordered["group_id"].iloc[rows].unique()] = number
    for number in range(folds):
        absent = members.columns[~members[fold_of == number].any()]
        if len(absent):
            raise ValueError(
                f"--split=kfold: expected every class in every fold, fold {number} has no "
                f"{', '.join(absent)} (groups: {_counts(members)}); use fewer --folds or another "
                "--seed."
            )
    groups = frame["group_id"]
    rest = frame[groups.map(fold_of) != fold]
    parts = _divide(rest, {VALIDATION: validation_fraction}, seed, "--split=kfold")
    split = groups.map(parts).fillna(TEST).astype(TEXT)
    return pd.DataFrame({"split": split, "fold": groups.map(fold_of).astype("Int64")})


def source_split(
    frame: pd.DataFrame, *, held_out: str, validation_fraction: float, seed: int
) -> pd.Series:
    """Returns the split in which one source is tested on and the others are trained on.

    Images of other sources that hang together with the held-out one, by patient or as copies, are
    in no split: trained on they would leak, tested on they would not be of that source.

    Args:
      frame: columns label, source and group_id, n rows.
      held_out: name of the source that is the test split.
      validation_fraction: share of each class's other groups, between 0 and 1.
      seed: another seed gives another validation split.

    Returns:
      "train", "validation", "test" or missing, text [n], indexed like `frame`.

    Raises:
      ValueError: if there is no such source or no other, if it lacks a class, or the others have
        fewer than 2 groups of one.
    """
    sources = sorted(frame["source"].dropna().unique())
    if held_out not in sources or len(sources) < 2:
        raise ValueError(
            f"--held_out_source={held_out}: expected one of several sources of the data, which are "
            f"{', '.join(sources)}."
        )
    in_test = frame["source"] == held_out
    touched = frame["group_id"].isin(frame.loc[in_test, "group_id"])
    absent = sorted(set(frame["label"]) - set(frame["label"][in_test]))
    if absent:
        raise ValueError(
            f"--held_out_source={held_out}: expected every class in it, it has no "
            f"{', '.join(absent)}; hold out another source, or choose a --task that it has."
        )
    missing = sorted(set(frame["label"]) - set(frame["label"][~touched]))
    if missing:
        raise ValueError(
            f"--held_out_source={held_out}: the other sources have no {', '.join(missing)} to "
            "train on; hold out another source."
        )
    flag = "--split=leave_one_source_out"
    parts = _divide(frame[~touched], {VALIDATION: validation_fraction}, seed, flag)
    split = frame["group_id"].map(parts).astype(TEXT)
    return split.mask(in_test, TEST).rename("split")


def _classes_of_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns which classes each group has images of, bool [groups, classes], both sorted."""
    if frame[["label", "group_id"]].isna().any(axis=None):
        raise ValueError("A split needs a label and a group_id for every image; some are missing.")
    return pd.crosstab(frame["group_id"], frame["label"]) > 0


def _divide(frame: pd.DataFrame, fractions: Mapping[str, float], seed: int, flag: str) -> pd.Series:
    """Returns the part of each group: one of `fractions`, or train for the rest.

    Args:
      frame: columns label, source and group_id.
      fractions: share of each class's groups that a part gets, at least one group.
      seed: what the order of the groups comes from.
      flag: what the user asked for, for the messages.
    """
    if not (all(share > 0 for share in fractions.values()) and sum(fractions.values()) < 1):
        given = ", ".join(f"{part} {share}" for part, share in fractions.items())
        raise ValueError(f"{flag}: expected shares above 0, together below 1. Received: {given}.")
    members = _classes_of_groups(frame)
    _check_group_counts(members, len(fractions) + 1, flag)
    stratum = _strata(frame, members, len(fractions) + 1)
    for attempt in range(MAX_ORDERS):
        parts = pd.Series(TRAIN, index=members.index, dtype=TEXT)
        order = sorted(members.index, key=lambda group: digest(seed, attempt, group))
        for _, groups in pd.Series(order).groupby(stratum[order].to_numpy()):
            start, still = 0, len(fractions)
            for part, share in fractions.items():
                # Every part that is still to come needs a group, and so does train.
                count = min(max(1, round(share * len(groups))), len(groups) - start - still)
                parts[groups.iloc[start : start + max(0, count)]] = part
                start, still = start + max(0, count), still - 1
        present = members.groupby(parts).any()
        if len(present) == len(fractions) + 1 and present.to_numpy().all():
            return parts
    raise ValueError(
        f"{flag}: found no split with every class in every part, because patients with several "
        f"classes hold them together (groups: {_counts(members)})."
    )


def digest(seed: int, attempt: int, group: str) -> bytes:
    """Returns what a group is ordered by, in one of several orders."""
    return hashlib.sha256(f"{seed}/{attempt}/{group}".encode()).digest()


def _strata(frame: pd.DataFrame, members: pd.DataFrame, fewest: int) -> pd.Series:
    """Returns what each group is stratified by: its rarest class, and its source.

    Where a source has fewer than `fewest` groups of a class, these are pooled over the sources.
    """
    label = _rarest_class(members)
    if "source" not in frame:
        return label
    source = frame["source"].fillna("").groupby(frame["group_id"]).min()
    stratum = label + "\n" + source.reindex(label.index)
    few = stratum.map(stratum.value_counts()) < fewest
    return stratum.mask(few, label)


def _rarest_class(members: pd.DataFrame) -> pd.Series:
    """Returns for each group the one of its classes that the fewest groups have."""
    rarest_first = members.sum().sort_values(kind="stable").index
    first = np.argmax(members[rarest_first].to_numpy(), axis=1)
    return pd.Series(rarest_first[first], index=members.index)


def _check_group_counts(members: pd.DataFrame, fewest: int, flag: str) -> None:
    for label, count in members.sum().items():
        if count < fewest:
            raise ValueError(
                f"{flag}: expected at least {fewest} groups (patients) of every class, {label} has "
                f"{count}; more images of it are needed, or another --task."
            )


def _counts(members: pd.DataFrame) -> str:
    return ", ".join(f"{label} {count}" for label, count in members.sum().items())
