"""Splits by label: whole groups, shares, the rare labels in every part."""

import numpy as np
import pandas as pd
import pytest

from tfcovid.data.label_split import (
    kfold_split_by_labels,
    official_split_by_labels,
    source_split_by_labels,
    split_by_labels,
)

SHARES = [0.4, 0.2, 0.1, 0.05, 0.02]


def example(*, groups=200, seed=0, unknown=0.1):
    """Returns a frame and label matrix: groups of one to four images, labels by group and image."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, groups)
    group = np.repeat(np.arange(groups), sizes)
    of_group = rng.random((groups, len(SHARES))) < SHARES
    targets = (of_group[group] & (rng.random((len(group), len(SHARES))) < 0.8)).astype(np.int8)
    targets[rng.random(targets.shape) < unknown] = -1
    frame = pd.DataFrame(
        {
            "group_id": [f"p{number}" for number in group],
            "source": np.where(rng.random(groups) < 0.3, "a", "b")[group],
        }
    )
    return frame, targets


def groups_of(frame, rows):
    return frame.loc[rows, "group_id"].nunique()


def split_example(seed=0, drawn=0, **changes):
    frame, targets = example(seed=drawn, **changes)
    split = split_by_labels(frame, targets, test_fraction=0.2, validation_fraction=0.15, seed=seed)
    return frame, targets, split


def test_no_group_stands_in_two_parts_and_every_image_in_one():
    frame, _, split = split_example()
    assert set(split) == {"train", "validation", "test"}
    assert split.groupby(frame["group_id"]).nunique().max() == 1


@pytest.mark.parametrize("seed", range(5))
def test_every_label_of_three_groups_is_in_every_part(seed):
    frame, targets, split = split_example(seed, drawn=seed)
    for column in targets.T:
        if groups_of(frame, column == 1) >= 3:
            parts = set(split[column == 1])
            assert parts == {"train", "validation", "test"}


def test_each_label_is_divided_closer_to_its_share_than_by_chance():
    frame, targets, split = split_example(groups=600)
    errors = {"ours": [], "chance": []}
    rng = np.random.default_rng(0)
    names = frame["group_id"].unique()
    by_chance = dict(
        zip(names, rng.choice(["test", "rest"], len(names), p=[0.2, 0.8]), strict=True)
    )
    for column in targets.T:
        rows = column == 1
        for name, parts in (("ours", split), ("chance", frame["group_id"].map(by_chance))):
            in_test = groups_of(frame, rows & (parts == "test").to_numpy())
            errors[name].append(abs(in_test / groups_of(frame, rows) - 0.2))
    assert max(errors["ours"]) < 0.06
    assert np.mean(errors["ours"]) < np.mean(errors["chance"])
    sources = frame["source"] == "a"
    share = groups_of(frame, sources & (split == "test")) / groups_of(frame, sources)
    assert abs(share - 0.2) < 0.03


def test_a_label_of_two_groups_is_trained_on_and_tested():
    frame = pd.DataFrame({"group_id": [f"p{i}" for i in range(40)], "source": "a"})
    targets = np.zeros((40, 1), np.int8)
    targets[[3, 17]] = 1
    split = split_by_labels(frame, targets, test_fraction=0.2, validation_fraction=0.15, seed=0)
    assert "train" in set(split[targets[:, 0] == 1])


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    first, again, other = (split_example(seed)[2] for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)


def test_the_order_of_the_rows_does_not_matter():
    frame, targets, split = split_example()
    order = np.random.default_rng(3).permutation(len(frame))
    options = {"test_fraction": 0.2, "validation_fraction": 0.15, "seed": 0}
    shuffled = split_by_labels(frame.iloc[order], targets[order], **options)
    assert shuffled.sort_index().equals(split)


def test_the_publisher_s_test_split_stays_and_torn_patients_are_refused():
    frame, targets = example()
    number = frame["group_id"].str.removeprefix("p").astype(int)
    official = pd.Series(np.where(number % 5 == 0, "TEST", "TRAIN"), frame.index, dtype="str")
    options = {"validation_fraction": 0.15, "seed": 0}
    split = official_split_by_labels(frame, targets, official, **options)
    assert ((split == "test") == (official == "TEST")).all()
    assert set(split[official == "TRAIN"]) == {"train", "validation"}
    with pytest.raises(ValueError, match="1 stand in both"):
        several = frame["group_id"][frame["group_id"].duplicated()].iloc[0]
        torn = official.copy()
        torn[frame.index[frame["group_id"] == several][0]] = (
            "TRAIN" if official[frame["group_id"] == several].iloc[0] == "TEST" else "TEST"
        )
        official_split_by_labels(frame, targets, torn, **options)
    with pytest.raises(ValueError, match="expected TRAIN or TEST for every image, 1 of"):
        official_split_by_labels(frame, targets, official.mask(official.index == 0), **options)


def test_each_group_is_tested_in_one_fold_and_the_folds_do_not_depend_on_which():
    frame, targets = example()
    options = {"folds": 4, "validation_fraction": 0.15, "seed": 2}
    found = [kfold_split_by_labels(frame, targets, fold=k, **options) for k in range(4)]
    assert all(one["fold"].equals(found[0]["fold"]) for one in found)
    for number, one in enumerate(found):
        assert ((one["split"] == "test") == (one["fold"] == number)).all()
        assert one["split"].groupby(frame["group_id"]).nunique().max() == 1
    sizes = frame["group_id"].groupby(found[0]["fold"]).nunique()
    assert sizes.max() - sizes.min() <= 6
    for column in targets.T:
        if groups_of(frame, column == 1) >= 4:
            assert found[0]["fold"][column == 1].nunique() == 4


def test_a_source_is_held_out_and_what_hangs_together_with_it_is_in_no_split():
    frame, targets = example()
    frame.loc[0, "source"] = "a" if frame.loc[0, "source"] == "b" else "b"
    mixed = frame["group_id"] == frame.loc[0, "group_id"]
    split = source_split_by_labels(frame, targets, held_out="a", validation_fraction=0.15, seed=0)
    assert ((split == "test") == (frame["source"] == "a")).all()
    assert split[mixed & (frame["source"] == "b")].isna().all()
    with pytest.raises(ValueError, match="--held_out_source=c: expected one of several"):
        source_split_by_labels(frame, targets, held_out="c", validation_fraction=0.15, seed=0)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.0, 0.2), (0.9, 0.2)])
def test_shares_that_leave_nothing_to_train_on_are_refused(fractions):
    frame, targets = example(groups=20)
    with pytest.raises(ValueError, match="expected shares above 0, together below 1"):
        split_by_labels(
            frame, targets, test_fraction=fractions[0], validation_fraction=fractions[1], seed=0
        )
