"""The filters of the chain against SciPy and NumPy, eagerly and in a dataset."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.data.images import noise
from tfcovid.data.lung_crop.filters import histogram, median, normalise, sharpen

SIZES = [(1, 1), (1, 7), (8, 8), (37, 53), (64, 20)]


def in_a_dataset(function, image):
    """Returns what a function makes of an image inside tf.data, where no size is known."""
    dataset = tf.data.Dataset.from_generator(
        lambda: [image], output_signature=tf.TensorSpec([None, None, 1], tf.uint8)
    )
    return next(iter(dataset.map(function))).numpy()


def stretched(image):
    """Returns the contrast stretch in float64."""
    low, high = np.percentile(image, [1, 99], method="inverted_cdf").astype(float)
    if low == high:
        return image
    return np.floor((np.clip(image, low, high) - low) / (high - low) * 255 + 0.5)


def minus_laplacian(image):
    pixels = image[..., 0].astype(int)
    return np.clip(pixels - ndimage.laplace(pixels, mode="reflect"), 0, 255)[..., None]


def scipy_median(image):
    return ndimage.median_filter(image[..., 0], 3, mode="reflect")[..., None]


REFERENCES = {normalise: stretched, sharpen: minus_laplacian, median: scipy_median}


@pytest.mark.parametrize("function", REFERENCES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_filter_equals_its_reference_eagerly_and_in_a_dataset(function, size):
    image = noise(*size, seed=sum(size))[..., None]
    expected = REFERENCES[function](image)
    found = function(tf.constant(image))
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(in_a_dataset(function, image), expected)


@pytest.mark.parametrize("seed", range(5))
def test_normalise_stretches_a_narrow_range_to_black_and_white(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(90, 9, (41, 67, 1)).round().astype(np.uint8)
    found = normalise(tf.constant(image)).numpy()
    np.testing.assert_array_equal(found, stretched(image))
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
@pytest.mark.parametrize("function", REFERENCES, ids=lambda f: f.__name__)
def test_one_gray_stays_as_it_is(function, value):
    image = np.full((8, 8, 1), value, np.uint8)
    np.testing.assert_array_equal(function(tf.constant(image)), image)


def test_fewer_outliers_than_a_percent_do_not_decide_the_range():
    image = np.full((20, 20, 1), 100, np.uint8)
    image[0, :3] = 255
    np.testing.assert_array_equal(normalise(tf.constant(image)), image)
    image[10:] = 120
    assert set(np.unique(normalise(tf.constant(image)))) == {0, 255}


def test_histogram_counts_every_value():
    image = noise(31, 17)[..., None]
    np.testing.assert_array_equal(histogram(image), np.bincount(image.ravel(), minlength=256))
