"""Score intervals: published values, and how often they cover."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tfcovid.metrics.small_samples import (
    auroc_interval,
    effective_groups,
    effective_number,
    few_events,
    hanley_mcneil_variance,
    mean_interval,
    quantile,
    variance_factor,
    wilson_interval,
)


def test_wilson_equals_scipy():
    for hits, n in ((0, 8), (7, 8), (8, 8), (81, 263), (15, 148)):
        expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(wilson_interval(hits / n, n, 0.95), expected, atol=1e-12)


@pytest.mark.parametrize("n", [8, 20, 60])
def test_wilson_covers_where_a_percentile_bootstrap_does_not(n):
    hits, truth = np.arange(n + 1), 0.9
    chance = stats.binom.pmf(hits, n, truth)
    low, high = wilson_interval(hits / n, np.full(n + 1, n), 0.95)
    covered = chance[(low <= truth) & (truth <= high)].sum()
    percentiles = stats.binom.ppf([[0.025], [0.975]], n, hits / n) / n
    bootstrap = chance[(percentiles[0] <= truth) & (truth <= percentiles[1])].sum()
    assert covered > 0.93
    assert covered >= bootstrap
    if n == 8:
        assert bootstrap < 0.6


def test_wilson_never_excludes_its_share():
    share = np.linspace(0, 1, 101)
    low, high = wilson_interval(share, np.full(101, 3.7), 0.95)
    assert np.all((low <= share) & (share <= high) & (low >= -1e-12) & (high <= 1 + 1e-12))
    assert np.isnan(wilson_interval(np.nan, 0.0, 0.95)).all()


def test_effective_groups_is_the_number_of_equal_groups():
    assert effective_groups(np.array([3.0, 3, 3, 0])) == pytest.approx(3)
    assert effective_groups(np.array([100.0, 1])) == pytest.approx(1.02, abs=0.01)
    assert effective_groups(np.zeros(4)) == 0


def test_effective_number_of_single_images_is_their_number():
    assert effective_number(np.r_[np.ones(30), np.zeros(7)], np.ones(37)) == pytest.approx(37)


def test_effective_number_of_repeated_images_is_the_number_of_patients():
    outcome = np.r_[np.ones(30), np.zeros(7)]
    assert effective_number(4 * outcome, np.full(37, 4.0)) == pytest.approx(37)


def test_effective_number_without_an_error_takes_images_for_repetitions():
    sizes = np.array([3.0, 1, 4, 4, 0])
    assert effective_number(sizes, sizes) == pytest.approx(effective_groups(sizes))
    assert effective_number(0 * sizes, sizes) == pytest.approx(effective_groups(sizes))
    assert effective_number(np.zeros(4), np.zeros(4)) == 0


def test_effective_number_of_independent_images_nears_their_number():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 4000).astype(float)
    hits = rng.binomial(sizes.astype(int), 0.8)
    assert effective_number(hits, sizes) == pytest.approx(sizes.sum(), rel=0.05)


@pytest.mark.parametrize("alike", [0.2, 0.5, 0.8])
def test_effective_number_is_the_one_of_the_beta_binomials_correlation(alike):
    rng, p = np.random.default_rng(1), 0.7
    sizes = rng.integers(1, 6, 20_000).astype(float)
    of_patient = rng.beta(p * (1 - alike) / alike, (1 - p) * (1 - alike) / alike, len(sizes))
    hits = rng.binomial(sizes.astype(int), of_patient)
    total, pairs = sizes.sum(), (sizes * (sizes - 1)).sum()
    assert effective_number(hits, sizes) == pytest.approx(
        total**2 / (total + alike * pairs), rel=0.05
    )


def test_effective_number_goes_over_columns():
    rng = np.random.default_rng(2)
    sizes = rng.integers(0, 4, (30, 3)).astype(float)
    hits = rng.binomial(sizes.astype(int), 0.6)
    expected = [effective_number(hits[:, k], sizes[:, k]) for k in range(3)]
    np.testing.assert_allclose(effective_number(hits, sizes), expected)


def test_quantile_of_infinite_freedom_is_the_normal_one_and_grows_with_less():
    assert quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert quantile(0.95, 7) == pytest.approx(2.364624, abs=1e-6)
    assert quantile(0.95, 0) == quantile(0.95, 1) == pytest.approx(12.7062, abs=1e-4)


def test_variance_factor_is_drawn_towards_one_by_little_evidence():
    factors = [variance_factor(0.06, 0.03, evidence) for evidence in (0, 1, 10, 1e6)]
    np.testing.assert_allclose(factors, [1, 1.5, 21 / 11, 2], rtol=1e-4)
    assert variance_factor(0.0, 0.0, 3.0) == 1


def test_variance_by_the_size_of_an_auroc_is_that_of_exponential_scores():
    # Hanley and McNeil's Q1 and Q2 are those of exponential scores, whose AUROC is r / (1 + r).
    rng, draws, n = np.random.default_rng(0), 4000, 30
    scores = np.r_[rng.exponential(4.0, (n, draws)), rng.exponential(1.0, (n, draws))]
    ranks = stats.rankdata(scores, axis=0)[:n].sum(axis=0)
    aurocs = (ranks - n * (n + 1) / 2) / n**2
    assert aurocs.mean() == pytest.approx(0.8, abs=0.005)
    assert hanley_mcneil_variance(0.8, n, n) == pytest.approx(aurocs.var(), rel=0.1)


def test_few_events_counts_the_rarer_of_hits_and_errors():
    found = few_events(np.array([0.5, 0.9, 0.1, 1.0, np.nan]), np.array([30, 90, 90, 1e6, 5]))
    np.testing.assert_array_equal(found, [False, True, True, True, False])


def test_mean_of_wilson_intervals_is_narrower_than_each_and_leaves_out_nan():
    values, n = np.array([0.9, 0.8, np.nan]), np.array([20, 30, 0])
    bounds = wilson_interval(values, n, 0.95)
    low, high = mean_interval(values, bounds)
    assert low < 0.85 < high
    assert high - low < (bounds[1] - bounds[0])[:2].min()


def test_auroc_interval_of_perfect_order_is_not_a_point():
    low, high = auroc_interval(1.0, 8, 200, 0.95)
    assert high == 1
    assert 0.6 < low < 0.9
    low, high = auroc_interval(0.0, 8, 200, 0.95)
    assert low == 0
    assert 0.1 < high < 0.4


@pytest.mark.parametrize("auroc", [0.2, 0.5, 0.77, 0.999])
def test_auroc_interval_shrinks_with_more_groups(auroc):
    widths = []
    for positives in (2, 8, 30, 200):
        low, high = auroc_interval(auroc, positives, 300, 0.95)
        assert 0 <= low < auroc < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_auroc_interval_covers_with_eight_positives():
    rng, draws, shift = np.random.default_rng(5), 400, 2.0
    truth = stats.norm.cdf(shift / np.sqrt(2))
    labels = np.r_[np.ones(8), np.zeros(100)]
    covered = 0
    for _ in range(draws):
        auroc = metrics.roc_auc_score(labels, rng.normal(shift * labels, 1))
        low, high = auroc_interval(auroc, 8, 100, 0.95)
        covered += low <= truth <= high
    assert covered / draws > 0.92
