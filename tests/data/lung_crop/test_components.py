"""Connected components against scipy.ndimage.label, on random masks and on spirals."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tfcovid.data.lung_crop.components import connected_components

MASK = tf.TensorSpec([None, None], tf.bool)
in_a_graph = tf.function(connected_components, input_signature=[MASK])


def spiral(side, *, step=2, rolled=0):
    """Returns a one pixel wide path to the middle, bool [side, side]."""
    mask = np.zeros((side, side), bool)
    row, column, direction, length = 0, 0, 0, side - 1
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    mask[0, 0] = True
    turns = 0
    while length > 0:
        for _ in range(length):
            row, column = row + moves[direction][0], column + moves[direction][1]
            mask[row, column] = True
        direction, turns = (direction + 1) % 4, turns + 1
        length -= step * (turns >= 3 and turns % 2 == 1)
    return np.rot90(mask, rolled)


def assert_same(mask):
    expected, count = ndimage.label(mask)
    found = in_a_graph(mask).numpy()
    # Up to renaming: as many pairs of names as names.
    pairs = set(zip(expected.ravel(), found.ravel(), strict=True))
    assert len(pairs) == len(np.unique(expected)) == len(np.unique(found))
    assert found.max(initial=0) == count
    np.testing.assert_array_equal(found == 0, ~mask)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 999))
def test_components_of_random_masks_are_those_of_scipy(height, width, share, seed):
    assert_same(np.random.default_rng(seed).random((height, width)) < share)


@pytest.mark.parametrize("share", [0.4, 0.55, 0.6, 0.65])
def test_components_of_large_tangled_masks_are_those_of_scipy(share):
    assert_same(np.random.default_rng(3).random((120, 97)) < share)


@pytest.mark.parametrize("rolled", range(4))
def test_a_spiral_is_one_component_and_its_gap_another(rolled):
    path = spiral(65, rolled=rolled)
    assert ndimage.label(path)[1] == 1 and path.sum() > 2000
    assert_same(path)
    assert_same(~path)


def test_two_spirals_in_each_other_are_two_components():
    mask = spiral(80, step=4)
    both = mask | np.roll(np.roll(mask, 2, 0), 2, 1)
    assert_same(both)
    assert_same(~both)


def test_a_comb_joins_its_teeth_at_the_last_row():
    mask = np.zeros((30, 41), bool)
    mask[:, ::2] = True
    assert in_a_graph(mask).numpy().max() == 21
    mask[-1] = True
    assert in_a_graph(mask).numpy().max() == 1


def test_corners_do_not_connect():
    assert in_a_graph(np.eye(5, dtype=bool)).numpy().max() == 5


def test_numbers_follow_the_order_of_reading():
    mask = np.array([[0, 1, 0, 1], [1, 0, 0, 1], [1, 0, 1, 0]], bool)
    expected = [[0, 1, 0, 2], [3, 0, 0, 2], [3, 0, 4, 0]]
    np.testing.assert_array_equal(connected_components(tf.constant(mask)), expected)


@pytest.mark.parametrize("value", [False, True])
def test_an_even_mask_has_one_component_or_none(value):
    np.testing.assert_array_equal(
        connected_components(tf.fill([6, 9], value)), np.full((6, 9), int(value))
    )


def test_components_inside_a_dataset_equal_eager_ones():
    masks = np.random.default_rng(0).random((5, 24, 31)) < 0.55
    dataset = tf.data.Dataset.from_tensor_slices(masks).map(connected_components)
    for mask, found in zip(masks, dataset, strict=True):
        np.testing.assert_array_equal(found, connected_components(tf.constant(mask)))
