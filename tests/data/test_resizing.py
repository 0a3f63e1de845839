"""The square of an image of any size, against arithmetic in float64."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.images import noise
from tfcovid.data.resizing import square_resize


def axis_weights(length, size):
    """Returns float64 [size, length]: area weights when shrinking, linear when growing."""
    weights = np.zeros((size, length))
    if length > size:
        edges = np.arange(size + 1) * length / size
        for row in range(size):
            pixels = np.arange(length)
            overlap = np.minimum(edges[row + 1], pixels + 1) - np.maximum(edges[row], pixels)
            weights[row] = np.clip(overlap, 0, None) * size / length
        return weights
    centres = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    before = np.floor(centres).astype(int)
    np.add.at(weights, (np.arange(size), before), 1 - (centres - before))
    after = np.minimum(before + 1, length - 1)
    np.add.at(weights, (np.arange(size), after), centres - before)
    return weights


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(8, 70), st.integers(0, 99))
def test_resize_is_area_when_shrinking_and_linear_when_growing(height, width, size, seed):
    gray = noise(height, width, seed=seed).reshape(height, width, 1)
    exact = axis_weights(height, size) @ gray[..., 0] @ axis_weights(width, size).T
    resized = square_resize(gray, size).numpy()[..., 0]
    # Half a level for rounding, and what float32 adds to it.
    np.testing.assert_allclose(resized, exact, atol=0.503)


def test_resize_to_the_same_size_changes_nothing():
    gray = noise(64, 64)[..., None]
    np.testing.assert_array_equal(square_resize(gray, 64), gray)


def test_resize_rounds_half_up():
    gray = np.tile(np.array([[0, 1]], np.uint8), (8, 8))[..., None]
    assert np.all(square_resize(gray, 8).numpy() == 1)


def test_resize_stretches_and_never_pads():
    white = np.full((30, 90, 1), 255, np.uint8)
    assert np.all(square_resize(white, 16).numpy() == 255)
