"""The whole chain: on drawn slices, on edge cases, and alike wherever it runs."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.data.images import noise
from tests.data.lung_crop.slices import LEFT, RIGHT, ct_slice
from tests.data.lung_crop.test_filters import in_a_dataset, minus_laplacian, stretched
from tfcovid.data.lung_crop.chain import MASK_PX, WORKING_PX, lung_crop, lung_crop_steps
from tfcovid.data.lung_crop.lungs import MARGIN
from tfcovid.data.resizing import square_resize


def lung_extent(lungs=(LEFT, RIGHT)):
    """Returns top, bottom, left, right of drawn lungs, as shares."""
    edges = [
        (row - high, row + high, column - wide, column + wide) for row, column, high, wide in lungs
    ]
    tops, bottoms, lefts, rights = zip(*edges, strict=True)
    return np.array([min(tops), max(bottoms), min(lefts), max(rights)])


@pytest.mark.parametrize("size", [(200, 240), (512, 512), (180, 150), (90, 260)], ids=str)
def test_box_of_a_drawn_slice_is_the_extent_of_its_lungs_with_the_margin(size):
    steps = lung_crop_steps(tf.constant(ct_slice(*size)), 64)
    assert steps.found
    expected = lung_extent() + MARGIN * np.array([-1, 1, -1, 1])
    np.testing.assert_allclose(steps.box.numpy() / WORKING_PX, expected, atol=2.5 / MASK_PX)


@pytest.mark.parametrize("lung", [LEFT, RIGHT], ids=["left", "right"])
def test_one_dark_lung_gives_a_box_for_both(lung):
    steps = lung_crop_steps(tf.constant(ct_slice(lungs=(lung,))), 64)
    assert steps.found
    row, column, high, wide = lung
    both = lung_extent((lung, (row, 1 - column, high, wide)))
    expected = both + MARGIN * np.array([-1, 1, -1, 1])
    np.testing.assert_allclose(steps.box.numpy() / WORKING_PX, expected, atol=2.5 / MASK_PX)


@pytest.mark.parametrize("image_size", [32, 64, 300])
def test_result_is_the_filtered_image_cut_along_the_box_and_stretched(image_size):
    image = ct_slice(seed=4)
    steps = lung_crop_steps(tf.constant(image), image_size)
    side = max(WORKING_PX, image_size)
    original = square_resize(image, side).numpy()
    sharp = minus_laplacian(stretched(original).astype(np.uint8)).astype(np.uint8)
    filtered = ndimage.median_filter(sharp[..., 0], 3, mode="reflect")[..., None]
    np.testing.assert_array_equal(steps.filtered, filtered)
    top, bottom, left, right = steps.box.numpy()
    assert 0 < top < bottom < side and 0 < left < right < side
    expected = square_resize(filtered[top:bottom, left:right], image_size)
    np.testing.assert_array_equal(steps.result, expected)
    assert steps.result.shape == (image_size, image_size, 1)


EDGES = {
    "black": np.zeros((60, 50, 1), np.uint8),
    "white": np.full((60, 50, 1), 255, np.uint8),
    "one gray": np.full((33, 90, 1), 77, np.uint8),
    "8x8 of one gray": np.full((8, 8, 1), 200, np.uint8),
    "1x1": noise(1, 1)[..., None],
    "no lung": ct_slice(lungs=()),
}


@pytest.mark.parametrize("size", [(8, 8), (1, 40), (3, 2)])
def test_pictures_of_a_few_pixels_give_a_square_of_the_size_asked_for(size):
    steps = lung_crop_steps(tf.constant(noise(*size)[..., None]), 48)
    top, bottom, left, right = steps.box.numpy()
    expected = square_resize(steps.filtered[top:bottom, left:right], 48)
    np.testing.assert_array_equal(steps.result, expected)


@pytest.mark.parametrize("name", EDGES)
def test_where_no_lungs_are_found_the_whole_filtered_image_is_kept(name):
    image = tf.constant(EDGES[name])
    steps = lung_crop_steps(image, 48)
    assert not steps.found
    assert not np.any(steps.lungs)
    np.testing.assert_array_equal(steps.box, [0, WORKING_PX, 0, WORKING_PX])
    np.testing.assert_array_equal(steps.result, square_resize(steps.filtered, 48))


@pytest.mark.parametrize(
    "image", [ct_slice(), ct_slice(150, 111, seed=2), noise(70, 41)[..., None]]
)
def test_chain_in_a_dataset_and_in_a_graph_equals_the_eager_one(image):
    square, found = lung_crop(tf.constant(image), 64)
    np.testing.assert_array_equal(in_a_dataset(lambda g: lung_crop(g, 64)[0], image), square)
    spec = [tf.TensorSpec([None, None, 1], tf.uint8)]
    graph = tf.function(lambda gray: lung_crop(gray, 64), input_signature=spec)
    of_graph, found_in_graph = graph(image)
    np.testing.assert_array_equal(of_graph, square)
    assert bool(found) == bool(found_in_graph)
    assert graph.get_concrete_function().output_shapes == ((64, 64, 1), ())


def test_a_mirrored_slice_has_the_mirrored_box():
    box = lung_crop_steps(tf.constant(ct_slice()), 64).box.numpy()
    mirrored = lung_crop_steps(tf.constant(ct_slice()[:, ::-1]), 64).box.numpy()
    np.testing.assert_allclose(mirrored[2:], WORKING_PX - box[:1:-1], atol=2)
    np.testing.assert_allclose(mirrored[:2], box[:2], atol=2)
