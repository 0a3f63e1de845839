"""Probabilities, temperature, calibration error, Brier score and the threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.metrics.predictions import random_predictions
from tfcovid.metrics.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    NEUTRAL_THRESHOLD,
    apply_temperature,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    probabilities_from_logits,
    youden_threshold,
)


def test_one_logit_gives_two_columns_that_sum_to_one():
    logits = np.array([[-800.0], [-2.0], [0.0], [3.0], [800.0]])
    probs = probabilities_from_logits(logits)
    np.testing.assert_allclose(probs[:, 1], [0, 1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-3), 1])
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def test_one_logit_equals_softmax_of_zero_and_it():
    logits = np.random.default_rng(0).normal(0, 5, (20, 1))
    np.testing.assert_allclose(
        probabilities_from_logits(logits),
        probabilities_from_logits(np.hstack([np.zeros_like(logits), logits])),
    )


def test_softmax_survives_large_logits():
    probs = probabilities_from_logits(np.array([[1000.0, 0.0, 1000.0]]))
    np.testing.assert_allclose(probs, [[0.5, 0, 0.5]])


@pytest.mark.parametrize("logits", [np.zeros(3), np.array([[np.nan, 1.0]]), np.zeros((3, 0))])
def test_logits_of_another_kind_are_refused(logits):
    with pytest.raises(ValueError, match="logits must be finite"):
        probabilities_from_logits(logits)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fitted_temperature_is_the_one_that_made_the_logits(columns, temperature):
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, (20_000, columns))
    probs = probabilities_from_logits(honest)
    labels = (rng.random((len(probs), 1)) > probs.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("columns", [1, 3])
def test_fitted_temperature_has_the_lowest_log_loss(columns):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 3, (200, columns))
    labels = rng.integers(0, max(2, columns), 200)

    def log_loss(temperature):
        probs = probabilities_from_logits(apply_temperature(logits, temperature))
        return metrics.log_loss(labels, probs)

    best = log_loss(fit_temperature(logits, labels))
    others = np.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 200)
    assert best <= min(map(log_loss, others)) + 1e-9


def test_temperature_stays_within_its_bounds():
    logits, labels = np.array([[5.0], [-5.0]] * 10), np.array([1, 0] * 10)
    assert fit_temperature(logits, labels) == pytest.approx(MIN_TEMPERATURE)
    assert fit_temperature(-logits, labels) == pytest.approx(MAX_TEMPERATURE)


def test_temperature_does_not_change_the_decision():
    logits = np.random.default_rng(3).normal(0, 3, (50, 4))
    np.testing.assert_array_equal(apply_temperature(logits, 7.0).argmax(1), logits.argmax(1))


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_temperature_out_of_range_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        apply_temperature(np.zeros((1, 1)), temperature)


@pytest.mark.parametrize("labels", [np.array([0, 2]), np.array([0]), np.array([[0], [1]])])
def test_labels_that_do_not_fit_the_logits_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels must be integers in \[0, 2\)"):
        fit_temperature(np.zeros((2, 1)), labels)


def test_calibration_error_by_hand():
    # Confidences .75, .75 (one right) and .95 (right), in bins of a tenth.
    probs = np.array([[0.75, 0.25], [0.25, 0.75], [0.05, 0.95]])
    error = expected_calibration_error(probs, np.array([0, 0, 1]), bins=10)
    assert error == pytest.approx(2 / 3 * 0.25 + 1 / 3 * 0.05)


def test_calibration_error_is_zero_for_certainty_that_is_right_and_one_for_wrong():
    labels = np.array([0, 1, 2])
    assert expected_calibration_error(np.eye(3), labels) == 0
    assert expected_calibration_error(np.eye(3), (labels + 1) % 3) == 1


def test_calibration_error_equals_a_plain_loop():
    labels, probs, _, _ = random_predictions(500, skill=0.7)
    confidence, hit = probs.max(axis=1), probs.argmax(axis=1) == labels
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            error += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(probs, labels) == pytest.approx(error, rel=1e-12)


def test_brier_score_of_two_classes_is_twice_scikit_learns():
    labels, probs, _, _ = random_predictions(num_classes=2)
    expected = metrics.brier_score_loss(labels, probs[:, 1])
    assert brier_score(probs, labels) == pytest.approx(2 * expected, rel=1e-12)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_no_threshold_beats_youdens(examples, positive, negative):
    examples = [(True, positive), (False, negative), *examples]
    labels = np.array([label for label, _ in examples], int)
    scores = np.array([score for _, score in examples]) / 20

    def index(threshold):
        decided = scores >= threshold
        return decided[labels == 1].mean() - decided[labels == 0].mean()

    chosen = youden_threshold(labels, scores)
    assert 0 <= chosen <= 1
    best = max(map(index, np.r_[np.unique(scores), 2.0]))
    if best > 0:
        assert index(chosen) == pytest.approx(best)
        assert np.abs(scores - chosen).min() > 1e-3  # rounding a score flips nothing
    else:
        assert chosen == NEUTRAL_THRESHOLD


def test_threshold_of_separated_scores_lies_in_the_middle_of_the_gap():
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], [0, 2]])
def test_threshold_needs_both_classes(labels):
    with pytest.raises(ValueError, match="images of both classes"):
        youden_threshold(labels, [0.1, 0.2])


def test_threshold_needs_finite_scores():
    with pytest.raises(ValueError, match="1 scores that are not finite"):
        youden_threshold([0, 1], [0.1, np.nan])
