"""Temperature and biases: the fit, its regulariser, and what it undoes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression

from tfcovid.metrics.calibration import log_loss, probabilities_from_logits
from tfcovid.metrics.scaling import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Scaling,
    fit_scaling,
    prior_shift,
)


def drawn(rng, logits):
    """Returns labels for which these logits are the truth."""
    probs = probabilities_from_logits(logits)
    return (rng.random((len(probs), 1)) > probs.cumsum(axis=1)).sum(axis=1)


def objective(logits, labels, temperature, bias, expected, sd):
    """The stated objective, written down once more."""
    scores = logits / temperature + bias
    log_probs = scores - special.logsumexp(scores, axis=1, keepdims=True)
    away = np.log(temperature) ** 2 + np.square(bias - expected).sum()
    return -log_probs[np.arange(len(labels)), labels].sum() + away / (2 * sd**2)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fitted_temperature_is_the_one_that_made_the_logits(columns, temperature, with_bias):
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, (20_000, columns))
    fitted = fit_scaling(honest * temperature, drawn(rng, honest), with_bias=with_bias)
    assert fitted.temperature == pytest.approx(temperature, rel=0.05)
    if with_bias:
        np.testing.assert_allclose(fitted.bias, 0, atol=0.06)
    else:
        assert fitted.bias is None


def test_fitted_biases_undo_those_that_were_put_on():
    rng = np.random.default_rng(2)
    honest, put_on = rng.normal(0, 2, (30_000, 3)), np.array([1.5, -0.5, -1.0])
    fitted = fit_scaling(2 * (honest - put_on), drawn(rng, honest), with_bias=True)
    assert fitted.temperature == pytest.approx(2, rel=0.03)
    np.testing.assert_allclose(fitted.bias, put_on, atol=0.06)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 10.0]))
def test_no_other_optimiser_finds_a_lower_objective(seed, sd):
    rng = np.random.default_rng(seed)
    n, expected = int(rng.integers(1, 60)), rng.normal(0, 1, 3)
    expected -= expected.mean()
    logits, labels = rng.normal(0, rng.uniform(0.1, 9), (n, 3)), rng.integers(0, 3, n)
    fitted = fit_scaling(logits, labels, with_bias=True, expected_bias=expected, prior_sd=sd)
    ours = objective(logits, labels, fitted.temperature, np.array(fitted.bias), expected, sd)
    other = optimize.minimize(
        lambda at: objective(logits, labels, np.exp(at[0]), at[1:], expected, sd),
        np.r_[0.0, expected],
        method="Nelder-Mead",
        bounds=[np.log([MIN_TEMPERATURE, MAX_TEMPERATURE]), *[(-30, 30)] * 3],
        options={"maxiter": 4000, "xatol": 1e-8, "fatol": 1e-10},
    )
    assert ours <= other.fun + 1e-6
    assert sum(fitted.bias) == pytest.approx(0, abs=1e-9)


def test_without_regulariser_one_logit_is_platt_scaling_by_scikit_learn():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (300, 1))
    labels = drawn(rng, 0.4 * logits - 1)
    fitted = fit_scaling(logits, labels, with_bias=True, prior_sd=np.inf)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits, labels)
    assert 1 / fitted.temperature == pytest.approx(other.coef_[0, 0], rel=1e-4)
    assert fitted.offset(1)[0] == pytest.approx(other.intercept_[0], rel=1e-4)


@pytest.mark.parametrize("with_bias", [True, False])
def test_one_logit_is_two_logits_of_which_the_first_is_zero(with_bias):
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 3, (100, 1))
    labels, two = drawn(rng, logits - 1), np.hstack([np.zeros_like(logits), logits])
    ours, theirs = (fit_scaling(given, labels, with_bias=with_bias) for given in (logits, two))
    assert ours == theirs
    np.testing.assert_allclose(
        ours.probabilities(logits), theirs.probabilities(two), rtol=2e-6, atol=1e-12
    )


def test_hundreds_of_images_overrule_the_regulariser():
    rng = np.random.default_rng(5)
    honest = rng.normal(0, 2, (500, 3))
    labels = drawn(rng, honest)
    held = fit_scaling(4 * honest, labels, with_bias=True)
    free = fit_scaling(4 * honest, labels, with_bias=True, prior_sd=np.inf)
    assert held.temperature == pytest.approx(free.temperature, rel=0.03)


def test_a_split_without_errors_gives_no_certainty():
    labels = np.repeat([0, 1, 2], 10)
    logits = 5.0 * np.eye(3)[labels]
    for with_bias in (True, False):
        fitted = fit_scaling(logits, labels, with_bias=with_bias)
        assert 0.5 < fitted.temperature < 1
        assert fitted.probabilities(logits).max() < 0.9999


def test_a_class_without_an_image_keeps_a_finite_bias_near_the_expected_one():
    rng = np.random.default_rng(6)
    labels, expected = rng.integers(0, 2, 40), np.array([1.0, 1.0, -2.0])
    fitted = fit_scaling(rng.normal(0, 1, (40, 3)), labels, with_bias=True, expected_bias=expected)
    assert -4 < fitted.bias[2] < -2


def test_temperature_stays_within_its_bounds():
    logits, labels = np.array([[5.0], [-5.0]] * 1000), np.array([1, 0] * 1000)
    assert fit_scaling(-logits, labels, with_bias=False).temperature <= MAX_TEMPERATURE * 1.001
    small = fit_scaling(logits / 1e4, labels, with_bias=False, prior_sd=np.inf)
    assert small.temperature == pytest.approx(MIN_TEMPERATURE)


def test_scaled_logits_are_the_formula_in_float32():
    rng = np.random.default_rng(7)
    logits = rng.normal(0, 5, (50, 3))
    scaling = Scaling(1.7, (0.5, -0.1, -0.4))
    found = scaling.logits(logits)
    assert found.dtype == scaling.probabilities(logits).dtype == np.float32
    np.testing.assert_allclose(found, logits / 1.7 + [0.5, -0.1, -0.4], rtol=1e-5, atol=1e-5)
    one = Scaling(1.7, (-0.2, 0.2)).logits(logits[:, :1])
    np.testing.assert_allclose(one, logits[:, :1] / 1.7 + 0.4, rtol=1e-5, atol=1e-5)


def test_prior_shift_carries_probabilities_to_another_prior():
    rng = np.random.default_rng(8)
    likelihoods, true, seen = rng.random((20, 3)), np.array([0.7, 0.2, 0.1]), np.ones(3) / 3
    logits = np.log(likelihoods * seen)
    expected = likelihoods * true / (likelihoods * true).sum(axis=1, keepdims=True)
    scaling = Scaling(1.0, tuple(prior_shift(true, seen)))
    np.testing.assert_allclose(scaling.probabilities(logits), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["class_weight", "weighted_sampling"])
def test_biases_undo_a_prior_that_training_shifted_and_a_temperature_cannot(kind):
    def sample(rng, shares, n):
        labels = rng.choice(3, n, p=shares)
        return rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[labels], labels

    rng, shares = np.random.default_rng(9), [0.75, 0.2, 0.05]
    x, y = sample(rng, shares, 4000)
    if kind == "weighted_sampling":
        drawn_rows = rng.choice(len(y), len(y), p=(1 / np.bincount(y)[y]) / 3)
        model = LogisticRegression(C=1e3).fit(x[drawn_rows], y[drawn_rows])
    else:
        model = LogisticRegression(C=1e3, class_weight="balanced").fit(x, y)
    (x, y), (unseen, truth) = sample(rng, shares, 600), sample(rng, shares, 20_000)
    losses = {}
    for name, with_bias in (("temperature", False), ("bias_corrected", True)):
        fitted = fit_scaling(model.decision_function(x), y, with_bias=with_bias)
        probs = fitted.probabilities(model.decision_function(unseen))
        losses[name] = log_loss(probs, truth)
    honest = LogisticRegression(C=1e3).fit(*sample(rng, shares, 20_000)).predict_proba(unseen)
    assert losses["bias_corrected"] < log_loss(honest, truth) + 0.02
    assert losses["temperature"] > losses["bias_corrected"] + 0.1


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_temperature_out_of_range_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        Scaling(temperature)


def test_biases_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="biases must be finite"):
        Scaling(1.0, (np.nan, 0.0))
    with pytest.raises(ValueError, match="expected 3 biases, one a class"):
        Scaling(1.0, (0.0, 0.0)).logits(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"expected_bias must be \[2\]"):
        fit_scaling(np.zeros((2, 1)), np.array([0, 1]), with_bias=True, expected_bias=np.zeros(3))


@pytest.mark.parametrize("labels", [np.array([0, 2]), np.array([0]), np.array([[0], [1]])])
def test_labels_that_do_not_fit_the_logits_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels must be integers in \[0, 2\)"):
        fit_scaling(np.zeros((2, 1)), labels, with_bias=False)
