import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcovid.data.split import SPLITS, kfold_split, official_split, split_by_group


def _frame(groups_per_class, *, images_per_group=2, seed=0):
    """Rows in a random order with a shuffled index: splits may use neither."""
    rows = [
        (label, f"{label}-{group}")
        for label, count in groups_per_class.items()
        for group in range(count)
        for _ in range(images_per_group)
    ]
    frame = pd.DataFrame(rows, columns=["label", "group_id"])
    return frame.sample(frac=1, random_state=seed)


def _groups(frame, split):
    """Number of groups, classes by splits; asserts on the way that no group is torn."""
    assert split.index.equals(frame.index)
    assert frame["group_id"].groupby(split).unique().explode().is_unique
    return frame.pivot_table(index="label", columns=split, values="group_id", aggfunc="nunique")


# Rows of up to 12 patients, each with images of one to three classes.
MIXED = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 11).map("g{}".format)),
    min_size=1,
    max_size=40,
).map(lambda rows: pd.DataFrame(rows, columns=["label", "group_id"]))

# The same beside three patients of each class alone: a split always exists.
SPLITTABLE = MIXED.map(
    lambda frame: pd.concat([_frame({"a": 3, "b": 3, "c": 3}), frame], ignore_index=True)
)


@settings(deadline=None)
@given(MIXED | SPLITTABLE, st.integers(0, 3), st.floats(0.01, 0.48), st.floats(0.01, 0.48))
def test_whole_groups_and_every_class_in_every_split_or_an_error(frame, seed, test, validation):
    try:
        split = split_by_group(frame, test_fraction=test, validation_fraction=validation, seed=seed)
    except ValueError as error:
        several = frame.groupby("group_id")["label"].nunique().max() > 1
        few = frame.groupby("label")["group_id"].nunique().min() < 3
        assert few or (several and "several classes" in str(error))
        return
    counts = _groups(frame, split)
    assert counts.shape == (frame["label"].nunique(), 3)
    assert counts.notna().all(axis=None)


@settings(deadline=None)
@given(SPLITTABLE, st.randoms(use_true_random=False))
def test_split_does_not_depend_on_the_order_of_the_rows(frame, random):
    arguments = {"test_fraction": 0.2, "validation_fraction": 0.2, "seed": 1}
    split = split_by_group(frame, **arguments)
    shuffled = frame.iloc[random.sample(range(len(frame)), len(frame))]
    pd.testing.assert_series_equal(split_by_group(shuffled, **arguments).sort_index(), split)


def test_shares_are_of_the_groups_of_each_class():
    frame = _frame({"common": 200, "rare": 10})
    counts = _groups(
        frame, split_by_group(frame, test_fraction=0.2, validation_fraction=0.1, seed=3)
    )
    assert counts.loc["common", list(SPLITS)].tolist() == [140, 20, 40]
    assert counts.loc["rare", list(SPLITS)].tolist() == [7, 1, 2]


def test_three_groups_of_a_class_are_enough_and_two_are_not():
    split = split_by_group(
        _frame({"a": 3, "b": 9}), test_fraction=0.9, validation_fraction=0.05, seed=0
    )
    assert set(split) == set(SPLITS)
    with pytest.raises(ValueError, match=r"at least 3 groups \(patients\) of every class, b has 2"):
        split_by_group(_frame({"a": 9, "b": 2}), test_fraction=0.2, validation_fraction=0.2, seed=0)


def test_seed_decides_and_a_new_group_moves_few_others():
    frame = _frame({"a": 60, "b": 60})
    arguments = {"test_fraction": 0.25, "validation_fraction": 0.25}
    first = split_by_group(frame, **arguments, seed=0)
    assert first.equals(split_by_group(frame, **arguments, seed=0))
    assert not first.equals(split_by_group(frame, **arguments, seed=1))
    more = pd.concat([frame, pd.DataFrame({"label": ["a"], "group_id": ["new"]}, index=[-1])])
    moved = split_by_group(more, **arguments, seed=0)[frame.index] != first
    assert frame["group_id"][moved].nunique() <= 2


def test_group_of_several_classes_counts_for_its_rarest():
    frame = pd.concat(
        [
            _frame({"common": 50}),
            pd.DataFrame(
                {
                    "label": ["rare", "common"] * 10,
                    "group_id": np.repeat([f"m{n}" for n in range(10)], 2),
                }
            ),
        ],
        ignore_index=True,
    )
    split = split_by_group(frame, test_fraction=0.2, validation_fraction=0.1, seed=5)
    assert _groups(frame, split).loc["rare", list(SPLITS)].tolist() == [7, 1, 2]


@pytest.mark.parametrize(("test", "validation"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.2)])
def test_shares_out_of_range_are_refused(test, validation):
    with pytest.raises(ValueError, match="expected shares above 0, together below 1"):
        split_by_group(_frame({"a": 9}), test_fraction=test, validation_fraction=validation, seed=0)


def test_missing_group_is_refused():
    frame = _frame({"a": 9})
    frame.iloc[0, 1] = None
    with pytest.raises(ValueError, match="label and a group_id for every image"):
        split_by_group(frame, test_fraction=0.1, validation_fraction=0.1, seed=0)


def _official(frame, test_groups):
    return pd.Series(np.where(frame["group_id"].isin(test_groups), "TEST", "TRAIN"), frame.index)


def test_official_test_is_the_test_split_and_validation_is_of_train():
    frame = _frame({"a": 20, "b": 12})
    official = _official(frame, ["a-0", "a-1", "b-0", "b-1"])
    split = official_split(frame, official, validation_fraction=0.2, seed=0, classes=["a", "b"])
    assert ((split == "test") == (official == "TEST")).all()
    counts = _groups(frame, split)
    assert counts.loc["a", list(SPLITS)].tolist() == [14, 4, 2]
    assert counts.loc["b", list(SPLITS)].tolist() == [8, 2, 2]


def test_official_split_without_a_class_in_test_is_refused():
    frame = _frame({"a": 9, "COVID-19": 9})
    with pytest.raises(ValueError, match=r"TEST, it has no COVID-19; use --split=patient"):
        official_split(
            frame,
            _official(frame, ["a-0"]),
            validation_fraction=0.2,
            seed=0,
            classes=["a", "COVID-19"],
        )


def test_patient_in_train_and_test_is_refused():
    frame = _frame({"a": 9})
    official = _official(frame, ["a-0", "a-1"])
    official.iloc[int((frame["group_id"] == "a-1").argmax())] = "TRAIN"
    with pytest.raises(ValueError, match=r"1 stand in both \(a-1\); use --split=patient"):
        official_split(frame, official, validation_fraction=0.2, seed=0, classes=["a"])


def test_image_without_official_split_is_refused():
    frame = _frame({"a": 9})
    official = _official(frame, ["a-0"]).where(frame["group_id"] != "a-5")
    with pytest.raises(ValueError, match="for every image, 2 of 18 have neither"):
        official_split(frame, official, validation_fraction=0.2, seed=0, classes=["a"])


def test_each_image_is_tested_in_exactly_one_fold():
    frame = _frame({"a": 23, "b": 11})
    arguments = {"folds": 5, "validation_fraction": 0.2, "seed": 0}
    splits = [kfold_split(frame, fold=fold, **arguments) for fold in range(5)]
    for fold, split in enumerate(splits):
        assert split["fold"].equals(splits[0]["fold"])
        assert ((split["split"] == "test") == (split["fold"] == fold)).all()
        assert _groups(frame, split["split"]).notna().all(axis=None)
    assert set(splits[0]["fold"]) == set(range(5))


def test_folds_do_not_depend_on_the_order_of_the_rows():
    frame = _frame({"a": 23, "b": 11})
    arguments = {"folds": 4, "fold": 2, "validation_fraction": 0.2, "seed": 9}
    ordered = kfold_split(frame.sort_index(), **arguments)
    pd.testing.assert_frame_equal(kfold_split(frame, **arguments).sort_index(), ordered)


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (5, 5), (5, -1)])
def test_fold_out_of_range_is_refused(folds, fold):
    with pytest.raises(ValueError, match=f"Received: --folds={folds} --fold={fold}"):
        kfold_split(_frame({"a": 9}), folds=folds, fold=fold, validation_fraction=0.2, seed=0)


def test_more_folds_than_groups_of_a_class_are_refused():
    with pytest.raises(ValueError, match=r"at least 5 groups .* b has 4"):
        kfold_split(_frame({"a": 9, "b": 4}), folds=5, fold=0, validation_fraction=0.2, seed=0)
