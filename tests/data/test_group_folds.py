import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.data.group_folds import group_folds


def groups_of(labels, seed):
    """Groups of one class each, of one to four rows, in an order of rows that hides them."""
    rng = np.random.default_rng(seed)
    rows = [(c, f"{c}-{g}") for c, count in enumerate(labels) for g in range(count)]
    rows = [row for row in rows for _ in range(rng.integers(1, 5))]
    order = rng.permutation(len(rows))
    return np.array([rows[i][0] for i in order]), np.array([rows[i][1] for i in order])


@given(st.lists(st.integers(2, 20), min_size=2, max_size=4), st.integers(0, 5))
def test_groups_stay_whole_and_every_class_is_outside_every_fold(counts, seed):
    labels, groups = groups_of(counts, seed)
    folds = group_folds(labels, groups, folds=5, seed=seed)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    for fold in np.unique(folds):
        assert set(labels[folds != fold]) == set(labels)
    assert len(np.unique(folds)) == min(5, sum(counts))


def test_every_fold_has_a_like_number_of_groups_of_each_class():
    labels, groups = groups_of([23, 11, 5], seed=1)
    folds = group_folds(labels, groups, folds=5, seed=0)
    for label in range(3):
        counts = [len(np.unique(groups[(folds == f) & (labels == label)])) for f in range(5)]
        assert max(counts) - min(counts) <= 1


def test_the_seed_decides_and_the_order_of_the_rows_does_not():
    labels, groups = groups_of([9, 7], seed=2)
    folds = group_folds(labels, groups, folds=4, seed=0)
    order = np.random.default_rng(3).permutation(len(labels))
    np.testing.assert_array_equal(
        group_folds(labels[order], groups[order], folds=4, seed=0), folds[order]
    )
    assert not np.array_equal(group_folds(labels, groups, folds=4, seed=1), folds)


def test_where_classes_share_groups_so_that_two_folds_cannot_do_each_group_is_one():
    # Of three groups two share a fold, and some class is in just these two.
    groups = np.array(["a", "a", "b", "b", "c", "c"])
    labels = np.array([0, 1, 1, 2, 2, 0])
    folds = group_folds(labels, groups, folds=2, seed=0)
    assert len(np.unique(folds)) == 3
    for fold in range(3):
        assert set(labels[folds != fold]) == {0, 1, 2}


def test_a_class_in_one_group_is_refused():
    with pytest.raises(ValueError, match=r"two groups .* class 1 has one"):
        group_folds(np.array([0, 0, 1, 1]), np.array([1, 2, 3, 3]), folds=2, seed=0)
