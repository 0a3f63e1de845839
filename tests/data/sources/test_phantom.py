"""The drawn anatomy: lungs inside their box, one chest at every size and pose."""

import dataclasses

import numpy as np
import pytest

from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest

STRAIGHT = Pose(turn=0.0, zoom=1.0, shift=(0.0, 0.0), breath=0.0, heart=1.0)


def generator(*key):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def random_chest(number, image_size=96):
    rng = generator(11, number)
    anatomy = Anatomy.draw(rng, sex="FM"[number % 2])
    return draw_chest(anatomy, Pose.draw(rng, view=("PA", "AP")[number % 3 == 0]), image_size)


def test_lungs_lie_inside_the_central_box_in_every_pose():
    for number in range(300):
        rows, columns = np.nonzero(random_chest(number).lungs > 0.0)
        assert rows.min() >= 0.12 * 96 and rows.max() + 1 <= 0.88 * 96, number
        assert columns.min() >= 0.10 * 96 and columns.max() + 1 <= 0.90 * 96, number


def test_both_lungs_are_large_enough_to_show_a_finding():
    for number in range(50):
        chest = random_chest(number)
        for lung in (chest.u < 0, chest.u > 0):
            assert np.mean(chest.lungs * lung) > 0.03, number


def test_masks_and_brightnesses_stay_in_their_ranges():
    for number in range(50):
        chest = random_chest(number)
        for name in ("lungs", "height", "depth", "vessels"):
            picture = getattr(chest, name)
            assert picture.min() >= 0.0 and picture.max() <= 1.0, name
        for field in dataclasses.fields(chest):
            assert np.isfinite(getattr(chest, field.name)).all(), field.name


def test_depth_runs_from_the_chest_wall_to_the_mediastinum():
    anatomy = Anatomy.draw(generator(1), sex="M")
    chest = draw_chest(anatomy, STRAIGHT, 96)
    row = 48
    inside = np.flatnonzero(chest.lungs[row] > 0.9)
    right, left = inside[inside < 48], inside[inside >= 48]
    assert np.all(np.diff(chest.depth[row, right]) > 0)
    assert np.all(np.diff(chest.depth[row, left]) < 0)
    assert np.all(np.diff(chest.height[20:60, right[0]]) >= 0)


def test_a_larger_image_shows_the_same_chest():
    anatomy = Anatomy.draw(generator(2), sex="F")
    small = draw_chest(anatomy, STRAIGHT, 96).surroundings
    large = draw_chest(anatomy, STRAIGHT, 192).surroundings
    shrunk = large.reshape(96, 2, 96, 2).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 0.005


@pytest.mark.parametrize("pixels", [3, -5])
def test_a_shift_moves_the_picture_by_whole_pixels(pixels):
    anatomy = Anatomy.draw(generator(3), sex="M")
    still = draw_chest(anatomy, STRAIGHT, 96)
    moved = draw_chest(anatomy, dataclasses.replace(STRAIGHT, shift=(pixels / 96, 0.0)), 96)
    np.testing.assert_allclose(
        moved.lungs[:, 8:-8], np.roll(still.lungs, pixels, axis=1)[:, 8:-8], atol=1e-4
    )


def test_the_patient_right_half_of_the_diaphragm_stands_higher():
    anatomy = dataclasses.replace(Anatomy.draw(generator(4), sex="M"), tilt=0.03)
    lungs = draw_chest(anatomy, STRAIGHT, 96).lungs > 0.5
    lowest = [np.nonzero(lungs[:, column])[0].max() for column in (22, 96 - 1 - 22)]
    assert lowest[0] < lowest[1]
