"""The brushes: their ends, their middle and their moments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.data.sources.phantom_field import smooth_noise, smooth_step


@given(st.floats(0.01, 10.0), st.floats(-20.0, 20.0))
def test_the_step_is_its_own_mirror_image(width, distance):
    up = smooth_step(np.array([distance]), width)
    down = smooth_step(np.array([-distance]), width)
    np.testing.assert_allclose(up + down, 1.0, atol=1e-12)


def test_the_step_rises_from_zero_to_one_over_its_width():
    distance = np.array([-0.6, -0.5, 0.0, 0.25, 0.5, 0.6])
    np.testing.assert_allclose(
        smooth_step(2.0 * distance, 2.0), [0.0, 0.0, 0.5, 0.84375, 1.0, 1.0], atol=1e-12
    )


@pytest.mark.parametrize("scale", [0.02, 0.1])
def test_noise_has_mean_zero_deviation_one_and_grains_of_its_scale(scale):
    noise = smooth_noise(np.random.default_rng(1), (128, 128), scale)
    assert noise.mean() == pytest.approx(0.0, abs=1e-4)
    assert noise.std() == pytest.approx(1.0, abs=1e-4)
    step = round(scale * 128)
    neighbours = np.corrcoef(noise[:, step:].ravel(), noise[:, :-step].ravel())[0, 1]
    # Two Gaussian windows one scale apart overlap by exp(-1/4).
    assert neighbours == pytest.approx(np.exp(-0.25), abs=0.12)
