"""The findings: where they sit, how far they spread, and that a patient keeps the same lesion."""

import numpy as np
import pytest

from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest
from tfcovid.data.sources.phantom_findings import FINDINGS

POSE = Pose(turn=0.0, zoom=1.0, shift=(0.0, 0.0), breath=0.0, heart=1.0)
NUMBERS = range(40)


def generator(*key):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


@pytest.fixture(scope="module")
def chest():
    return draw_chest(Anatomy.draw(generator(1), sex="M"), POSE, 96)


def draw(finding, chest, number, image=0):
    return FINDINGS[finding](chest, generator(number), generator(number, image)) * chest.lungs


def mass_by_lung(chest, opacity):
    return np.array([opacity[chest.u < 0].sum(), opacity[chest.u > 0].sum()])


def smoothness(opacity):
    """Correlation of neighbouring pixels: near 1 for a cloud, lower for a net."""
    return np.corrcoef(opacity[:, 2:].ravel(), opacity[:, :-2].ravel())[0, 1]


@pytest.mark.parametrize("finding", FINDINGS)
def test_opacity_is_finite_and_one_seed_gives_one_picture(chest, finding):
    first, again = draw(finding, chest, 5), draw(finding, chest, 5)
    assert np.isfinite(first).all() and first.min() >= -1e-6
    np.testing.assert_array_equal(first, again)


def test_normal_lungs_have_no_opacity(chest):
    assert not draw("Normal", chest, 0).any()


@pytest.mark.parametrize("finding", ["Bacterial", "Viral", "COVID-19"])
def test_every_case_leaves_a_visible_trace(chest, finding):
    for number in NUMBERS:
        assert draw(finding, chest, number).sum() > 0.02 * chest.lungs.sum(), number


def test_consolidation_is_mostly_in_one_lung_and_on_either_side(chest):
    shares = np.array([mass_by_lung(chest, draw("Bacterial", chest, n)) for n in NUMBERS])
    right = shares[:, 0] / shares.sum(1)
    assert np.mean((right < 0.01) | (right > 0.99)) > 0.7
    assert 0.25 < np.mean(right > 0.5) < 0.75


@pytest.mark.parametrize("finding", ["Viral", "COVID-19"])
def test_interstitial_and_ground_glass_patterns_are_bilateral(chest, finding):
    for number in NUMBERS:
        masses = mass_by_lung(chest, draw(finding, chest, number))
        assert masses.min() > 0.15 * masses.sum(), number


def test_ground_glass_is_peripheral_and_the_interstitial_pattern_is_not(chest):
    def mean_depth(finding):
        opacity = sum(draw(finding, chest, number) for number in NUMBERS)
        return (opacity * chest.depth).sum() / opacity.sum()

    assert mean_depth("COVID-19") < 0.3 < 0.4 < mean_depth("Viral")


def test_the_interstitial_pattern_is_a_net_and_the_others_are_clouds(chest):
    def typical(finding):
        return np.median([smoothness(draw(finding, chest, number)) for number in NUMBERS])

    assert typical("Viral") < 0.6 < 0.75 < min(typical("Bacterial"), typical("COVID-19"))


@pytest.mark.parametrize("finding", ["Bacterial", "COVID-19"])
def test_two_images_of_a_patient_show_the_lesion_in_the_same_place(chest, finding):
    def alike(one, other):
        return np.corrcoef(one.ravel(), other.ravel())[0, 1]

    same = [alike(draw(finding, chest, n, 0), draw(finding, chest, n, 1)) for n in NUMBERS]
    other = [alike(draw(finding, chest, n, 0), draw(finding, chest, n + 100, 1)) for n in NUMBERS]
    assert np.min(same) > 0.75
    assert np.mean(same) > np.mean(other) + 0.1
