import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.controls.probes import (
    balanced_accuracy,
    border,
    controls_for,
    histogram,
    probe_decisions,
    thumbnail,
)

BOX = (0.12, 0.88, 0.10, 0.90)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 96, 96, 1), np.uint8)


def test_thumbnail_averages_whole_blocks(images):
    blocks = images[..., 0].reshape(5, 32, 3, 32, 3).astype(float).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnail(images), blocks.reshape(5, -1), rtol=1e-5)


@given(st.integers(8, 100))
def test_thumbnail_of_a_flat_image_is_flat_at_any_size(size):
    flat = np.full((1, size, size, 1), 77, np.uint8)
    np.testing.assert_allclose(thumbnail(flat), 77, rtol=1e-6)


def test_histogram_counts_every_pixel_once(images):
    expected = np.stack([np.histogram(i, bins=32, range=(0, 256))[0] for i in images]) / 96**2
    np.testing.assert_allclose(histogram(images), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [64, 75, 96, 224])
def test_border_knows_nothing_of_the_lung_box(size):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, size, size, 1), np.uint8)
    changed = images.copy()
    top, bottom, left, right = (round(edge * size) for edge in BOX)
    inside = changed[:, top:bottom, left:right]
    changed[:, top:bottom, left:right] = rng.integers(0, 256, inside.shape, np.uint8)
    np.testing.assert_array_equal(border(images, BOX), border(changed, BOX))
    assert border(images, BOX).std() > 0


def test_probe_finds_a_planted_corner_mark_and_nothing_without_it():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 400)
    clean = rng.normal(90, 20, (400, 1, 1, 1)) + rng.normal(0, 10, (400, 64, 64, 1))
    clean = clean.clip(0, 255).astype(np.uint8)
    marked = clean.copy()
    marked[labels == 1, :2, :2] = 255

    def score(images):
        features = border(images, BOX)
        decisions = probe_decisions(features[:200], labels[:200], features[200:], seed=0)
        return balanced_accuracy(labels[200:], decisions)

    assert score(marked) > 0.95
    assert score(clean) < 0.6


def test_controls_have_names_and_say_what_they_see(images):
    controls = controls_for(BOX)
    assert [control.name for control in controls] == ["histogram", "border_only", "thumbnail_32"]
    for control in controls:
        assert control.sees
        assert control.features(images).shape[0] == len(images)
