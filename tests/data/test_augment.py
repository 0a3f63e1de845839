"""The augmentation against SciPy, against itself elsewhere, and against its promises."""

import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tests.data.images import noise
from tfcovid.data.augment import Augmentation, augment, random_draws, sample_affine, splitmix64

STRONG = Augmentation(rotation_degrees=25, translation=0.1, zoom=0.2, brightness=0.2, contrast=0.3)
SIZE = 24


def batch(count=6, size=SIZE):
    return np.stack([noise(size, size, seed=seed) for seed in range(count)])[..., None]


def run(images, augmentation, *, ids=None, occurrences=None, epoch=0, seed=7):
    ids = np.arange(len(images)) if ids is None else ids
    occurrences = np.zeros(len(images), int) if occurrences is None else occurrences
    return augment(
        images, augmentation, example_ids=ids, occurrences=occurrences, epoch=epoch, seed=seed
    ).numpy()


def test_splitmix64_gives_the_published_sequence():
    # The first outputs of the reference C program for the seed 1234567.
    states = np.array([(1234567 + i * 0x9E3779B97F4A7C15) % 2**64 for i in range(3)], np.uint64)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    np.testing.assert_array_equal(splitmix64(tf.constant(states)), np.array(expected, np.uint64))


def test_draws_are_uniform_and_independent():
    ids = np.arange(20000)
    draws = random_draws(ids, np.zeros_like(ids), epoch=3, seed=5).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    # Five standard errors.
    np.testing.assert_allclose(draws.mean(0), 0.5, atol=5 * math.sqrt(1 / 12 / len(ids)))
    np.testing.assert_allclose(draws.var(0), 1 / 12, atol=5 * math.sqrt(1 / 180 / len(ids)))
    neighbours = np.concatenate([draws[1:], draws[:-1]], axis=1)
    correlation = np.corrcoef(neighbours, rowvar=False) - np.eye(neighbours.shape[1])
    assert np.abs(correlation).max() < 5 / math.sqrt(len(ids))


def test_compiled_draws_equal_eager_draws():
    ids = tf.range(50, dtype=tf.int64)
    key = {"epoch": tf.constant(3, tf.int64), "seed": tf.constant(2**62 + 1, tf.int64)}
    compiled = tf.function(random_draws, jit_compile=True)
    np.testing.assert_array_equal(compiled(ids, ids, **key), random_draws(ids, ids, **key))


@pytest.mark.parametrize("changed", ["ids", "occurrences", "epoch", "seed"])
def test_each_part_of_the_key_gives_other_draws(changed):
    key = {"ids": 3, "occurrences": 0, "epoch": 2, "seed": 5}

    def draws(ids, occurrences, epoch, seed):
        return random_draws(np.array([ids]), np.array([occurrences]), epoch=epoch, seed=seed)

    other = draws(**{**key, changed: key[changed] + 1})
    assert np.all(draws(**key).numpy() != other.numpy())


def test_sampling_equals_scipy_with_the_edge_continued():
    images = batch()
    generator = np.random.default_rng(4)
    matrices = generator.normal(0, 0.4, (len(images), 2, 2)) + np.eye(2)
    shifts = generator.normal(0, 4, (len(images), 2))
    sampled = sample_affine(
        tf.constant(images),
        tf.constant(matrices, tf.float32),
        tf.constant(shifts, tf.float32),
        reach=8 * SIZE,
    )
    for image, matrix, shift, result in zip(images, matrices, shifts, sampled, strict=True):
        expected = scipy.ndimage.affine_transform(
            image[..., 0].astype(float), matrix, shift, order=1, mode="nearest"
        )
        np.testing.assert_allclose(result, expected, atol=2e-3)


def expected_image(image, example_id, augmentation, *, epoch, seed):
    """Returns what SciPy makes of the same draws, with the maps composed one by one."""
    draws = random_draws(np.array([example_id]), np.array([0]), epoch=epoch, seed=seed)
    signed = 2 * draws.numpy()[0].astype(float) - 1
    angle = math.radians(signed[0] * augmentation.rotation_degrees)
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    mirror = np.diag([1.0, -1.0 if augmentation.horizontal_flip and signed[4] < 0 else 1.0])
    matrix = rotation @ mirror / (1 + signed[3] * augmentation.zoom)
    centre = np.full(2, (len(image) - 1) / 2)
    shift = signed[1:3] * augmentation.translation * len(image)
    moved = scipy.ndimage.affine_transform(
        image.astype(float), matrix, centre - matrix @ centre + shift, order=1, mode="nearest"
    )
    factor = 1 + signed[6] * augmentation.contrast
    adjusted = factor * (moved - moved.mean()) + moved.mean()
    return np.clip(adjusted + signed[5] * augmentation.brightness * 255, 0, 255)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(rotation_degrees=40),
        Augmentation(translation=0.2),
        Augmentation(zoom=0.3),
        Augmentation(horizontal_flip=True),
        Augmentation(brightness=0.2),
        Augmentation(contrast=0.5),
        STRONG,
    ],
)
def test_augmented_image_equals_scipy(augmentation):
    images = batch()
    results = run(images, augmentation, epoch=3, seed=11)
    for example_id, (image, result) in enumerate(zip(images, results, strict=True)):
        expected = expected_image(image[..., 0], example_id, augmentation, epoch=3, seed=11)
        np.testing.assert_allclose(result[..., 0], expected, atol=5e-3)


@pytest.mark.parametrize("size", [23, 24])
def test_zero_ranges_are_the_identity_exactly(size):
    images = batch(size=size)
    np.testing.assert_array_equal(run(images, Augmentation()), images)


def test_the_last_row_and_column_keep_their_pixels_when_shifted_into_view():
    images = batch()
    eye = np.tile(np.eye(2, dtype=np.float32), (len(images), 1, 1))
    shifts = np.full((len(images), 2), 3, np.float32)
    sampled = sample_affine(tf.constant(images), tf.constant(eye), tf.constant(shifts), reach=64)
    sampled = sampled.numpy()
    expected = np.pad(images[:, 3:, 3:, 0], [(0, 0), (0, 3), (0, 3)], mode="edge")
    np.testing.assert_array_equal(sampled, expected)


def test_flip_mirrors_about_half_of_the_images_exactly():
    images = np.repeat(batch(1), 64, axis=0)
    results = run(images, Augmentation(horizontal_flip=True))
    mirrored = np.all(results == images[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(mirrored | np.all(results == images, axis=(1, 2, 3)))
    assert 16 < mirrored.sum() < 48


def test_a_uniform_image_shows_no_border():
    images = np.full((8, SIZE, SIZE, 1), 200, np.uint8)
    moved = run(images, Augmentation(rotation_degrees=180, translation=0.5, zoom=0.5))
    np.testing.assert_allclose(moved, 200, atol=1e-4)


def test_pixels_stay_within_0_to_255():
    results = run(batch(32), Augmentation(brightness=1, contrast=1))
    assert results.min() >= 0
    assert results.max() <= 255


def test_an_image_does_not_depend_on_its_place_in_the_batch():
    images, ids = batch(), np.arange(6)
    order = np.array([4, 2, 0, 5, 1, 3])
    np.testing.assert_array_equal(
        run(images, STRONG, ids=ids)[order], run(images[order], STRONG, ids=ids[order])
    )


def test_repetitions_in_an_epoch_and_other_epochs_look_different():
    images = np.repeat(batch(1), 3, axis=0)
    ids = np.full(3, 5)
    first = run(images, STRONG, ids=ids, occurrences=np.arange(3))
    later = run(images, STRONG, ids=ids, occurrences=np.arange(3), epoch=1)
    distinct = {result.tobytes() for result in np.concatenate([first, later])}
    assert len(distinct) == 6


def test_eager_equals_inside_a_dataset():
    images, ids = batch(), np.arange(6)

    def augmented(epoch):
        return augment(
            tf.constant(images),
            STRONG,
            example_ids=ids,
            occurrences=np.zeros_like(ids),
            epoch=epoch,
            seed=7,
        )

    for epoch, inside in enumerate(tf.data.Dataset.range(3).map(augmented, 2)):
        np.testing.assert_array_equal(inside, run(images, STRONG, ids=ids, epoch=epoch))


@pytest.mark.parametrize(
    "fields",
    [
        {"rotation_degrees": 181},
        {"rotation_degrees": -1},
        {"translation": 1.0},
        {"zoom": 1.0},
        {"brightness": 1.1},
        {"contrast": -0.1},
    ],
)
def test_impossible_ranges_are_refused_by_name(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        Augmentation(**fields)
