"""Which dark parts are taken for lungs, and the box around them, against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.data.lung_crop.slices import LEFT, RIGHT, ellipse
from tfcovid.data.lung_crop import lungs as rules
from tfcovid.data.lung_crop.lungs import darkness, lung_box, lung_components, on_both_sides

SQUARE = np.ones((3, 3))
HEIGHT, WIDTH = 100, 120


def scipy_lungs(dark, gray):
    """Returns the lungs by SciPy: opened, labelled, the edge dropped, the largest one or two."""
    number, count = ndimage.label(ndimage.binary_erosion(dark, SQUARE, border_value=1))
    edge = np.concatenate([number[[0, -1]].ravel(), number[:, [0, -1]].ravel()])
    inside = set(range(1, count + 1)) - set(edge)
    bright = gray[~dark].astype(int).sum() // max((~dark).sum(), 1)
    plausible = {}
    for k in inside:
        size, mean = (number == k).sum(), gray[number == k].mean()
        if 0.015 <= size / dark.size <= 0.4 and mean < bright - rules.LEAST_DARKER:
            plausible[k] = size
    kept = sorted(plausible, key=lambda k: (-plausible[k], k))[:2]
    if len(kept) == 2 and plausible[kept[1]] < 0.25 * plausible[kept[0]]:
        kept = kept[:1]
    return ndimage.binary_dilation(np.isin(number, kept), SQUARE) & dark


def film(seed, shape=(HEIGHT, WIDTH)):
    """Returns a smooth random picture, uint8, and its dark parts, some of them at the edge."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 7)
    gray = np.clip(120 + 50 * field / field.std(), 0, 255).astype(np.uint8)
    return gray, gray < np.quantile(gray, rng.uniform(0.2, 0.7))


def lungs_of(dark, gray=None):
    """Returns the lungs of a picture, black where it is dark and white elsewhere if not given."""
    gray = np.where(dark, 0, 255).astype(np.uint8) if gray is None else gray
    return lung_components(tf.constant(dark), darkness(tf.constant(gray), tf.constant(dark)))


@pytest.mark.parametrize("seed", range(40))
def test_lungs_are_those_of_scipy(seed):
    gray, dark = film(seed)
    np.testing.assert_array_equal(lungs_of(dark, gray), scipy_lungs(dark, gray))


def test_random_films_have_no_lungs_one_or_two():
    numbers = [ndimage.label(scipy_lungs(dark, gray))[1] for gray, dark in map(film, range(40))]
    assert {0, 1, 2} <= set(numbers)


def test_darkness_is_how_far_a_pixel_lies_below_bright_tissue_less_the_least():
    gray, dark = film(3)
    expected = gray[~dark].mean() - rules.LEAST_DARKER - gray.astype(float)
    np.testing.assert_allclose(darkness(gray, tf.constant(dark)), expected, atol=1)


def test_what_is_hardly_darker_than_tissue_is_no_lung():
    dark = two_lungs()
    for below, is_lung in ((rules.LEAST_DARKER - 1, False), (rules.LEAST_DARKER + 1, True)):
        gray = np.where(dark, 150 - below, 150).astype(np.uint8)
        assert np.any(lungs_of(dark, gray)) == is_lung


def two_lungs(*more):
    """Returns two lungs and further ellipses, bool [HEIGHT, WIDTH]."""
    return np.any([ellipse(HEIGHT, WIDTH, *part) for part in (LEFT, RIGHT, *more)], axis=0)


def test_what_touches_the_edge_is_no_lung_and_a_thin_gap_in_the_wall_does_not_matter():
    dark = two_lungs()
    air = ~ellipse(HEIGHT, WIDTH, 0.5, 0.5, 0.45, 0.47)
    leaking = dark | air
    row = HEIGHT // 2
    leaking[row : row + 2, : WIDTH // 3] = True
    found = lungs_of(leaking).numpy()
    assert not (found & air).any()
    assert (found & dark).sum() > 0.97 * dark.sum()
    leaking[row - 3 : row + 4, : WIDTH // 3] = True  # now it is a hole: one lung is outer air
    found = lungs_of(leaking).numpy()
    assert not found[:, : WIDTH // 2].any() and found[:, WIDTH // 2 :].any()


@pytest.mark.parametrize(
    "part", [(0.15, 0.5, 0.03, 0.03), (0.95, 0.5, 0.2, 0.2)], ids=["trachea", "edge"]
)
def test_a_third_part_that_is_small_or_at_the_edge_is_no_lung(part):
    found = lungs_of(two_lungs(part)).numpy()
    np.testing.assert_array_equal(found, two_lungs() & ~ellipse(HEIGHT, WIDTH, *part))


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (40, 9)])
@pytest.mark.parametrize("value", [False, True])
def test_an_even_mask_has_no_lungs_and_the_whole_image_is_the_box(shape, value):
    lungs = lungs_of(np.full(shape, value))
    assert not np.any(lungs)
    box, found = lung_box(lungs)
    assert not found
    np.testing.assert_array_equal(box, [0, shape[0], 0, shape[1]])


def rectangle(top, bottom, left, right):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def margins():
    return round(rules.MARGIN * HEIGHT), round(rules.MARGIN * WIDTH)


def test_box_is_the_extent_of_both_lungs_with_its_margin():
    rows, columns = margins()
    lungs = rectangle(20, 70, 15, 50) | rectangle(25, 75, 70, 102)
    box, found = lung_box(tf.constant(lungs))
    assert found
    np.testing.assert_array_equal(box, [20 - rows, 75 + rows, 15 - columns, 102 + columns])


def test_margin_ends_at_the_edge():
    box, found = lung_box(tf.constant(rectangle(1, 99, 2, 119)))
    assert found
    np.testing.assert_array_equal(box, [0, HEIGHT, 0, WIDTH])


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_lung_takes_its_mirror_image_into_the_box(side):
    rows, columns = margins()
    lungs = rectangle(20, 75, 15, 45)
    lungs = lungs if side == "left" else lungs[:, ::-1]
    assert not on_both_sides(tf.constant(lungs))
    box, found = lung_box(tf.constant(lungs))
    assert found
    np.testing.assert_array_equal(box, [20 - rows, 75 + rows, 15 - columns, 105 + columns])


@pytest.mark.parametrize(
    ("lungs", "why"),
    [
        (rectangle(30, 60, 15, 105), "low"),
        (rectangle(20, 75, 45, 75), "narrow"),
        (rectangle(2, 52, 15, 105), "high up"),
        (rectangle(55, 99, 15, 105), "far down"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_box_without_the_size_or_place_of_lungs_is_the_whole_image(lungs, why):
    box, found = lung_box(tf.constant(lungs))
    assert not found, why
    np.testing.assert_array_equal(box, [0, HEIGHT, 0, WIDTH])
