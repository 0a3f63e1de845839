"""Holm's p-values, tests on one image a patient, and two independent test sets."""

import json

import numpy as np
import pytest
from scipy import stats

from tests.metrics.systems import two_systems
from tfcovid.metrics.delong import delong_test
from tfcovid.metrics.significance import (
    delong,
    difference_of_independent,
    holm,
    mcnemar,
    one_image_a_group,
)
from tfcovid.metrics.small_samples import wilson_interval


def test_holm_gives_the_published_steps_in_the_order_given():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    np.testing.assert_allclose(holm([0.04]), [0.04])
    assert holm([]).size == 0


def test_holm_rejects_what_stepping_down_by_hand_rejects():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.beta(0.4, 3, rng.integers(1, 9))
        rejected = np.zeros(len(p), bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (len(p) - step):
                break
            rejected[index] = True
        np.testing.assert_array_equal(holm(p) <= 0.05, rejected)


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [np.nan]])
def test_holm_refuses_what_is_no_p_value(p_values):
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        holm(p_values)


def test_one_row_of_each_group_is_drawn_and_every_row_can_be():
    groups = np.array(["b", "a", "b", "c", "b"])
    drawn = [one_image_a_group(groups, seed=seed) for seed in range(60)]
    for rows in drawn:
        assert sorted(groups[rows]) == ["a", "b", "c"]
    assert set(np.concatenate(drawn)) == set(range(5))
    np.testing.assert_array_equal(drawn[7], one_image_a_group(groups, seed=7))


def test_mcnemar_is_the_sign_test_of_discordant_patients():
    right_a, right_b = (
        np.repeat([1, 1, 0, 0], [30, 9, 2, 4]),
        np.repeat([1, 0, 1, 0], [30, 9, 2, 4]),
    )
    labels = np.ones(45, int)
    found = mcnemar(labels, right_a, right_b, np.arange(45), seed=0)
    expected = min(1, 2 * stats.binom.cdf(2, 11, 0.5))
    assert found == {
        "only_a": 9,
        "only_b": 2,
        "p_value": pytest.approx(expected),
        "n_patients": 45,
    }
    repeated = [np.repeat(values, 3) for values in (labels, right_a, right_b, np.arange(45))]
    assert mcnemar(*repeated, seed=0) == found


def test_mcnemar_of_one_system_with_itself_is_one():
    labels = np.arange(12) % 3
    found = mcnemar(labels, labels[::-1], labels[::-1], np.arange(12), seed=0)
    assert (found["only_a"], found["only_b"], found["p_value"]) == (0, 0, 1.0)


def test_delong_of_single_images_uses_them_all_and_of_several_one_a_patient():
    labels, groups, a, b = two_systems(90)
    found = delong(labels, a[:, 2], b[:, 2], groups, positive_class=2, seed=4)
    rows = one_image_a_group(groups, seed=4)
    expected = delong_test(labels[rows] == 2, a[rows, 2], b[rows, 2])
    assert found == {**expected, "n_patients": 90}
    assert found["n_positive"] + found["n_negative"] == 90
    json.dumps(found, allow_nan=False)
    single = delong(labels, a[:, 2], b[:, 2], np.arange(len(labels)), positive_class=2, seed=4)
    assert single["n_patients"] == len(labels)


def entry(share, n):
    low, high = wilson_interval(share, n, 0.95)
    return {"low": low, "high": high, "level": 0.95}


def test_difference_of_independent_shares_is_newcombes_published_one():
    # Newcombe 1998, table II, 56/70 and 48/80, method 10.
    found = difference_of_independent(56 / 70, entry(56 / 70, 70), 48 / 80, entry(48 / 80, 80))
    assert found["difference"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.0524, abs=5e-5)
    assert found["high"] == pytest.approx(0.3339, abs=5e-5)


@pytest.mark.parametrize("n", [20, 80])
def test_difference_of_independent_shares_covers(n):
    rng, truth = np.random.default_rng(0), (0.9, 0.75)
    covered = 0
    for _ in range(500):
        a, b = rng.binomial(n, truth) / n
        found = difference_of_independent(a, entry(a, n), b, entry(b, n))
        covered += found["low"] <= truth[0] - truth[1] <= found["high"]
    assert covered / 500 > 0.92


def test_intervals_of_different_levels_are_refused():
    other = {**entry(0.5, 10), "level": 0.9}
    with pytest.raises(ValueError, match=r"0\.95 and 0\.9"):
        difference_of_independent(0.5, entry(0.5, 10), 0.5, other)
