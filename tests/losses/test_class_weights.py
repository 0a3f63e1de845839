"""Class weights, sampling weights and the prior that training sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.losses import class_weights

counts_of_classes = st.lists(st.integers(1, 10_000), min_size=2, max_size=6)


@given(counts_of_classes, st.sampled_from([0.0, 0.9, 0.999, 0.9999, 1 - 1e-12]))
def test_weights_have_mean_one_over_examples(counts, beta):
    counts = np.array(counts)
    for weights in (
        class_weights.inverse_frequency(counts),
        class_weights.effective_number(counts, beta=beta),
    ):
        np.testing.assert_allclose(counts @ weights / counts.sum(), 1, rtol=1e-12)


@given(counts_of_classes)
def test_inverse_frequency_gives_every_class_the_same_total(counts):
    totals = np.array(counts) * class_weights.inverse_frequency(counts)
    np.testing.assert_allclose(totals, totals[0], rtol=1e-12)


def test_effective_number_matches_the_formula():
    counts, beta = np.array([1342, 3942, 58]), 0.999
    weights = (1 - beta) / (1 - beta**counts)
    expected = weights * counts.sum() / (counts * weights).sum()
    np.testing.assert_allclose(
        class_weights.effective_number(counts, beta=beta), expected, rtol=1e-10
    )


def test_effective_number_lies_between_equal_and_inverse_frequency():
    counts = [1342, 3942, 58]
    np.testing.assert_allclose(class_weights.effective_number(counts, beta=0), 1, rtol=1e-12)
    np.testing.assert_allclose(
        class_weights.effective_number(counts, beta=1 - 1e-12),
        class_weights.inverse_frequency(counts),
        rtol=1e-6,
    )


@given(st.lists(st.integers(0, 2), min_size=1, max_size=50))
def test_sampling_draws_every_class_equally_often(labels):
    labels = np.array([0, 1, 2, *labels])
    weights = class_weights.sampling_weights(labels, 3)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-12)
    np.testing.assert_allclose(np.bincount(labels, weights), len(labels) / 3, rtol=1e-12)


def test_effective_prior_is_what_weighted_counting_gives():
    counts = np.array([6, 3, 1])
    prior = class_weights.effective_prior
    np.testing.assert_allclose(prior(counts, "none"), [0.6, 0.3, 0.1])
    np.testing.assert_allclose(prior(counts, "class_weight"), 1 / 3)
    np.testing.assert_allclose(prior(counts, "weighted_sampling"), 1 / 3)
    seen = counts / (1 - 0.9**counts)
    np.testing.assert_allclose(
        prior(counts, "effective_number", beta=0.9), seen / seen.sum(), rtol=1e-12
    )


def test_alpha_balances_positives_and_negatives():
    alpha = class_weights.alpha_from_frequency([900, 100])
    assert alpha == 0.9
    np.testing.assert_allclose(100 * alpha, 900 * (1 - alpha))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_weights.inverse_frequency([3, 0]), "every class needs"),
        (lambda: class_weights.sampling_weights([0, 0, 2], 3), "every class needs"),
        (lambda: class_weights.class_counts([0, 3], 3), r"integers in \[0, 3\)"),
        (lambda: class_weights.class_counts([0.5], 3), "float64"),
        (lambda: class_weights.effective_number([1, 2], beta=1.0), "beta=1.0"),
        (lambda: class_weights.effective_prior([1, 2], "both"), "imbalance=both"),
        (lambda: class_weights.alpha_from_frequency([1, 2, 3]), "two classes"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
