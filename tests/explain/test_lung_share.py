import dataclasses

import numpy as np
import tensorflow as tf

from tfcovid.data.preprocess import LUNG_BOX, apply_view
from tfcovid.explain.lung_share import box_mask, heat_inside

BOX = (0.25, 0.75, 0.0, 0.5)


def test_the_box_covers_its_fractions_of_the_square():
    inside = box_mask(BOX, 8)
    assert inside.mean() == 0.25
    assert inside[2:6, :4].all() and inside.sum() == 16


def test_the_box_is_the_one_that_the_views_paint_over():
    for size in (32, 80, 224):
        painted = apply_view(tf.fill((size, size, 1), tf.constant(9, tf.uint8)), "border_only")
        inside = box_mask(dataclasses.astuple(LUNG_BOX), size)
        np.testing.assert_array_equal(painted[..., 0] == 0, inside)


def test_heat_is_shared_between_inside_and_outside():
    inside = box_mask(BOX, 8)
    maps = np.zeros((4, 8, 8), np.float32)
    maps[0][inside], maps[1][~inside], maps[2] = 0.7, 0.2, 1.0
    maps[3, 0, 0], maps[3, 3, 3] = 1.0, 0.5
    np.testing.assert_allclose(heat_inside(maps, inside), [1, 0, 0.25, 1 / 3])


def test_a_map_without_heat_has_no_share():
    assert np.isnan(heat_inside(np.zeros((1, 4, 4)), box_mask(BOX, 4))).all()
