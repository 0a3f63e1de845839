"""What our resizing tells of the size an image came in: nothing but how sharp it is.

The films of both classes are drawn from one distribution of continuous fields, and each pixel is
the exact mean of the field over its area; only the number of pixels differs by class, as between
small published PNG files and films from a hospital. Whatever tells the classes is resizing.
"""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfcovid.controls.evidence import border_pixels, border_thumbnail, histogram
from tfcovid.controls.probes import border, probe_decisions
from tfcovid.controls.shortcuts import shortcut_scores
from tfcovid.data.preprocess import LUNG_BOX, Preprocessing
from tfcovid.metrics.intervals import balanced_accuracy_interval

BOX = dataclasses.astuple(LUNG_BOX)
CLASSES = ("small", "large")
FILMS = 240
WAVES = 100
# Cycles across the film; the upper end is finer than any network's input shows.
COARSEST, FINEST = 0.5, 250.0


def small_size(rng):
    """Returns height and width of a published PNG: 224 to 512 pixels, nearly square."""
    height = int(rng.integers(224, 513))
    return height, int(np.clip(height * rng.uniform(0.9, 1.1), 224, 512))


def large_size(rng):
    """Returns height and width of a film: 1000 to 2000 pixels, wider than high."""
    height = int(rng.integers(1000, 1601))
    return height, min(2000, int(height * rng.uniform(1.15, 1.5)))


def film(seed, size):
    """Returns a film of a field, uint8 [height, width, 1]; the seed alone decides the field.

    The field is a sum of waves, as many in each octave: the spectrum of natural images.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    steps = (np.arange(WAVES) + rng.random(WAVES)) / WAVES
    cycles = COARSEST * (FINEST / COARSEST) ** steps
    turn, phase = rng.uniform(0, 2 * np.pi, (2, WAVES))
    along_x, along_y = cycles * np.cos(turn), cycles * np.sin(turn)
    # The mean of a wave over a pixel is the wave at its centre times this.
    seen = np.sinc(along_x / width) * np.sinc(along_y / height) * np.sqrt(2 / WAVES)
    x = 2 * np.pi * (np.arange(width) + 0.5)[:, None] / width * along_x
    y = 2 * np.pi * (np.arange(height) + 0.5)[:, None] / height * along_y + phase
    rows = np.concatenate([np.cos(y) * seen, -np.sin(y) * seen], axis=1)
    columns = np.concatenate([np.cos(x), np.sin(x)], axis=1)
    field = rows.astype(np.float32) @ columns.astype(np.float32).T
    gray = rng.normal(120, 12) + rng.uniform(20, 32) * field
    return gray.round().clip(0, 255).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def labels():
    return np.arange(FILMS) % 2


@pytest.fixture(scope="module")
def sizes(labels):
    rng = np.random.default_rng(0)
    return [(small_size, large_size)[label](rng) for label in labels]


@pytest.fixture(scope="module")
def films(sizes):
    return [film(seed, size) for seed, size in enumerate(sizes)]


def bordered(films, image_size):
    """Returns what a network for the border is shown, uint8 [n, size, size, 1]."""
    shown = Preprocessing(image_size=image_size, view="border_only").image_from_gray
    return np.stack([shown(gray).numpy() for gray in films])


def padded(gray):
    """Returns the film in the middle of a black square, as many pipelines resize."""
    height, width = gray.shape[:2]
    side = max(height, width)
    above, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 1), np.uint8)
    square[above : above + height, left : left + width] = gray
    return square


def scores(squares, labels):
    evidence = {
        "border_pixels": border_pixels(squares),
        "histogram": histogram(squares),
        "border_thumbnail": border_thumbnail(squares, BOX),
    }
    found = shortcut_scores(
        evidence,
        labels,
        np.arange(len(labels)),
        classes=CLASSES,
        interval=balanced_accuracy_interval,
        seed=0,
    )
    return {shortcut.name: shortcut for shortcut in found}


def sharpness(squares):
    """Returns the log share of the border's variance that lies between neighbours, float64 [n]."""
    gray = squares[..., 0].astype(float)
    inner = gray[:, 1:-1, 1:-1]
    neighbours = gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:]
    edge = int(min(BOX[0], BOX[2]) * gray.shape[1]) - 2
    rim = np.ones(inner.shape[1:], bool)
    rim[edge:-edge, edge:-edge] = False
    curvature = (4 * inner - neighbours)[:, rim]
    return np.log((curvature**2).mean(axis=1) / inner[:, rim].var(axis=1))


@pytest.mark.parametrize("image_size", [96, 224, 320])  # what an audit and what networks see
def test_border_of_stretched_films_tells_sizes_no_better_than_guessing(films, labels, image_size):
    scored = scores(bordered(films, image_size), labels)
    for name in ("border_thumbnail", "histogram"):
        shortcut = scored[name]
        found = shortcut.interval
        assert found["low"] <= shortcut.chance <= found["high"], (name, shortcut.balanced_accuracy)
        assert not shortcut.beats_chance, name


def test_border_control_of_a_run_tells_sizes_no_better_than_guessing(films, labels):
    features, half = border(bordered(films, 224), BOX), FILMS // 2
    decisions = probe_decisions(features[:half], labels[:half], features[half:], seed=0)
    found = balanced_accuracy_interval(
        labels[half:], decisions, np.arange(half), num_classes=2, level=0.95, seed=0
    )
    assert found["low"] <= 0.5 <= found["high"]


def test_border_of_padded_films_gives_the_class_away(films, labels):
    found = scores(bordered([padded(gray) for gray in films], 224), labels)
    for name in ("border_pixels", "border_thumbnail"):
        assert found[name].beats_chance, name
        assert found[name].balanced_accuracy > 0.9, name


@pytest.mark.parametrize("image_size", [224, 320])
def test_one_field_at_two_sizes_has_the_same_border_thumbnail(films, sizes, image_size):
    others = [film(seed, sizes[seed ^ 1]) for seed in range(40)]
    here = border_thumbnail(bordered(films[:40], image_size), BOX)
    there = border_thumbnail(bordered(others, image_size), BOX)
    assert np.abs(here - there).max() < 0.75  # gray levels, where films differ by 20
    assert here.std(axis=0).min() > 10


# A limit of any resizing, told here so that nobody takes the border for blind to size: what a
# small file does not hold cannot be put back. Films of other spectra differ in how much it tells.
@pytest.mark.parametrize(("image_size", "least"), [(224, 0.85), (320, 0.95)])
def test_border_of_small_films_is_softer_and_gives_the_class_away(films, labels, image_size, least):
    assert roc_auc_score(labels, sharpness(bordered(films, image_size))) > least


def test_outermost_pixels_of_small_films_that_grew_are_softer_and_give_the_class_away(
    films, labels
):
    assert scores(bordered(films, 512), labels)["border_pixels"].beats_chance
