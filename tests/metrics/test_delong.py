"""The variance of AUROCs, against sums over every pair, the jackknife and known cases."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tfcovid.metrics.delong import auroc_covariance, delong_test, grouped_auroc, placements


def scores_of(n, *, seed=0, skill=1.0, alike=0.6):
    """Returns labels and the scores of two correlated systems; the second has ties."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(n) < n // 3)
    shared = rng.normal(size=n)
    first, second = (
        skill * positive + alike * shared + (1 - alike) * rng.normal(size=n) for _ in range(2)
    )
    return positive, np.stack([first, second.round(1)])


def kernel(x, y):
    return (x[:, None] > y) + 0.5 * (x[:, None] == y)


def covariance_by_pairs(positive, scores):
    """The U-statistic's covariance, with every pair of a positive and a negative written out."""
    wins = [kernel(one[positive], one[~positive]) for one in scores]
    m, n = wins[0].shape
    found = np.empty((len(scores), len(scores)))
    for r, s in itertools.product(range(len(scores)), repeat=2):
        a, b = wins[r].mean(), wins[s].mean()
        of_positives = sum((wins[r][i].mean() - a) * (wins[s][i].mean() - b) for i in range(m)) / (
            m - 1
        )
        of_negatives = sum(
            (wins[r][:, j].mean() - a) * (wins[s][:, j].mean() - b) for j in range(n)
        ) / (n - 1)
        found[r, s] = of_positives / m + of_negatives / n
    return found


@pytest.mark.parametrize("n", [9, 40, 121])
@pytest.mark.parametrize("seed", [0, 1])
def test_covariance_equals_that_of_all_pairs(n, seed):
    positive, scores = scores_of(n, seed=seed)
    found = auroc_covariance(positive, scores)
    np.testing.assert_allclose(found, covariance_by_pairs(positive, scores), rtol=0, atol=1e-9)


def test_means_of_placements_are_the_auroc():
    positive, scores = scores_of(80)
    for one in scores:
        below, above = placements(positive, one)
        expected = metrics.roc_auc_score(positive, one)
        assert below.mean() == pytest.approx(expected, rel=1e-12)
        assert above.mean() == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(below, kernel(one[positive], one[~positive]).mean(axis=1))


def test_variance_of_single_images_is_delongs():
    positive, scores = scores_of(60)
    found = grouped_auroc(positive, scores[0], np.arange(60))
    covariance = auroc_covariance(positive, scores)
    # A patient is in one class only, so nothing crosses.
    assert found.variance == pytest.approx(covariance[0, 0], rel=1e-12)
    assert (found.positives, found.negatives) == (20, 40)


def test_repeating_every_image_of_a_patient_moves_nothing():
    positive, scores = scores_of(60)
    once = grouped_auroc(positive, scores[0], np.arange(60))
    many = grouped_auroc(np.repeat(positive, 4), np.repeat(scores[0], 4), np.arange(240) // 4)
    assert many.variance == pytest.approx(once.variance, rel=1e-9)
    assert many.evidence == pytest.approx(once.evidence, rel=1e-9)


def test_grouped_variance_nears_the_jackknife_over_patients_of_both_classes():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(150), 4)
    positive = rng.random(600) < np.repeat(rng.beta(1, 2, 150), 4)
    scores = positive + np.repeat(rng.normal(size=150), 4) + rng.normal(size=600)
    left_out = [
        metrics.roc_auc_score(positive[groups != group], scores[groups != group])
        for group in range(150)
    ]
    jackknife = 149 * np.var(left_out)
    found = grouped_auroc(positive, scores, groups)
    assert found.variance == pytest.approx(jackknife, rel=0.05)


def test_perfect_order_has_no_variance_and_no_evidence():
    found = grouped_auroc(np.arange(10) > 4, np.arange(10.0), np.arange(10))
    assert (found.value, found.variance, found.evidence) == (1, 0, 0)


def test_difference_has_its_standard_error_p_value_and_interval():
    positive, scores = scores_of(90, seed=2)
    found = delong_test(positive, *scores)
    covariance = covariance_by_pairs(positive, scores)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found["standard_error"] == pytest.approx(error)
    assert found["p_value"] == pytest.approx(2 * stats.norm.sf(abs(found["difference"]) / error))
    assert found["high"] - found["low"] == pytest.approx(2 * 1.959964 * error)
    swapped = delong_test(positive, *scores[::-1])
    assert swapped["difference"] == -found["difference"]
    assert swapped["p_value"] == pytest.approx(found["p_value"])


def test_a_system_does_not_differ_from_its_own_monotone_transform():
    positive, scores = scores_of(50)
    found = delong_test(positive, scores[0], np.exp(scores[0]))
    assert (found["difference"], found["p_value"]) == (0, 1)


def test_p_values_are_uniform_where_the_systems_are_equally_good():
    p_values = [delong_test(*flat(scores_of(90, seed=seed)))["p_value"] for seed in range(400)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.06)


def flat(sample):
    return sample[0], *sample[1]


def test_one_image_of_a_class_is_refused():
    with pytest.raises(ValueError, match="Received: 1 positive, 4 negative"):
        auroc_covariance(np.arange(5) == 0, np.zeros((2, 5)))
