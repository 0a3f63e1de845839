"""Otsu's threshold and the local contrast against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import noise
from tests.data.lung_crop.test_filters import in_a_dataset
from tfcovid.data.lung_crop.threshold import binarise, local_contrast, otsu_threshold


def spreads(image):
    """Returns the sum of squares inside the two classes for each threshold, float64 [256]."""
    values = image.ravel().astype(float)
    found = []
    for threshold in range(256):
        parts = values[values <= threshold], values[values > threshold]
        found.append(sum(((part - part.mean()) ** 2).sum() for part in parts if part.size))
    return np.array(found)


def two_grays(seed):
    """Returns an image of two overlapping populations of unequal size."""
    rng = np.random.default_rng(seed)
    dark, bright = rng.uniform(20, 90), rng.uniform(120, 230)
    chosen = rng.random((39, 58, 1)) < rng.uniform(0.1, 0.9)
    values = np.where(chosen, rng.normal(dark, 25, chosen.shape), rng.normal(bright, 30))
    return np.clip(values.round(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("image", [*map(two_grays, range(8)), noise(23, 71)[..., None]])
def test_otsu_threshold_parts_the_pixels_into_the_two_tightest_classes(image):
    threshold = int(otsu_threshold(tf.constant(image)))
    of_all = spreads(image)
    assert of_all[threshold] == pytest.approx(of_all.min(), rel=1e-12)
    assert not (of_all[:threshold] < of_all[threshold] * (1 - 1e-12)).any()
    np.testing.assert_array_equal(binarise(tf.constant(image)), image <= threshold)
    np.testing.assert_array_equal(in_a_dataset(binarise, image), image <= threshold)


def test_otsu_parts_two_values_between_them():
    image = np.array([[10, 10, 200], [10, 200, 200]], np.uint8)[..., None]
    np.testing.assert_array_equal(binarise(tf.constant(image)), image == 10)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_one_gray_has_the_threshold_0(value):
    assert int(otsu_threshold(tf.fill([8, 8, 1], tf.cast(value, tf.uint8)))) == 0


def mean_over_squares(pixels, reach):
    """Returns the mean over the square around each pixel, as far as it lies inside."""
    height, width = pixels.shape
    means = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            rows = slice(max(0, row - reach), row + reach + 1)
            columns = slice(max(0, column - reach), column + reach + 1)
            means[row, column] = pixels[rows, columns].mean()
    return means


@pytest.mark.parametrize(
    ("size", "small", "large"), [((128, 128), 3, 16), ((70, 128), 3, 16), ((64, 31), 1, 8)]
)
def test_local_contrast_is_half_the_difference_of_two_local_means(size, small, large):
    image = noise(*size)[..., None]
    pixels = image[..., 0].astype(float)
    half = (mean_over_squares(pixels, small) - mean_over_squares(pixels, large)) / 2
    expected = np.clip(128 + np.floor(half + 0.5 + 1e-9), 0, 255)[..., None]
    np.testing.assert_array_equal(local_contrast(tf.constant(image)), expected)
    np.testing.assert_array_equal(in_a_dataset(local_contrast, image), expected)


def test_local_contrast_does_not_depend_on_the_exposure():
    image = np.clip(noise(64, 64)[..., None], 0, 99)
    np.testing.assert_array_equal(local_contrast(image), local_contrast(image + np.uint8(150)))


def test_one_gray_has_no_local_contrast():
    assert np.all(local_contrast(tf.fill([20, 9, 1], tf.cast(33, tf.uint8))).numpy() == 128)
