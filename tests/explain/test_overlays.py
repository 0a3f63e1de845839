import io

import numpy as np
from PIL import Image

from tfcovid.explain.overlays import as_png, coloured, overlay


def test_where_there_is_no_heat_the_film_shows_as_it_is():
    film = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    np.testing.assert_array_equal(overlay(film, np.zeros((16, 16))), np.stack([film] * 3, axis=-1))


def test_hotter_places_are_lighter_on_a_dark_film():
    heat = np.linspace(0, 1, 64).reshape(1, 64).repeat(64, axis=0)
    light = overlay(np.zeros((64, 64), np.uint8), heat).astype(int) @ [299, 587, 114]
    assert (np.diff(light[0]) >= -1000).all() and light[0, -1] > light[0, 0] + 80_000


def test_heat_beyond_the_range_has_the_colour_of_its_end():
    heat = np.array([[-1.0, 0.0], [1.0, 2.0]])
    colours = coloured(heat)
    assert colours.shape == (2, 2, 3) and colours.dtype == np.uint8
    np.testing.assert_array_equal(colours[:, 0], colours[:, 1])


def test_a_png_keeps_every_pixel_unless_another_side_is_asked_for():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    with Image.open(io.BytesIO(as_png(pixels))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    with Image.open(io.BytesIO(as_png(pixels, side=50))) as image:
        assert image.size == (50, 50)
