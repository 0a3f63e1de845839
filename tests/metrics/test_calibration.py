"""Probabilities, and how far they can be believed."""

import numpy as np
import pytest
from sklearn import metrics

from tests.metrics.predictions import random_predictions
from tfcovid.metrics.calibration import (
    brier_score,
    expected_calibration_error,
    log_loss,
    probabilities_from_logits,
    reliability_bins,
    reliability_of_class,
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


def test_reliability_bins_hold_the_calibration_error():
    labels, probs, _, _ = random_predictions(500, skill=0.7)
    bins = reliability_bins(probs, labels)
    gaps = [found["n_images"] * abs(found["accuracy"] - found["confidence"]) for found in bins]
    assert sum(gaps) / 500 == pytest.approx(expected_calibration_error(probs, labels), rel=1e-12)
    assert sum(found["n_images"] for found in bins) == 500
    for found in bins:
        assert found["low"] < found["confidence"] <= found["high"]


def test_reliability_points_are_mean_probability_and_share_right():
    probs = np.array([[0.9, 0.1], [0.94, 0.06], [0.55, 0.45], [0.41, 0.59]])
    low, high = reliability_bins(probs, np.array([0, 1, 0, 1]), bins=5)
    assert low == {
        "low": 0.4,
        "high": 0.6,
        "n_images": 2,
        "confidence": pytest.approx((0.55 + 0.59) / 2),
        "accuracy": 1.0,
    }
    assert high["confidence"] == pytest.approx((0.9 + 0.94) / 2)
    assert (high["accuracy"], high["high"]) == (0.5, 1.0)


def test_certain_probabilities_fall_in_the_last_bin():
    (only,) = reliability_bins(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
    assert (only["high"], only["n_images"]) == (1.0, 2)


def test_log_loss_is_scikit_learns_and_finite_where_a_probability_is_zero():
    labels, probs, _, _ = random_predictions(200)
    assert log_loss(probs, labels) == pytest.approx(metrics.log_loss(labels, probs), rel=1e-9)
    assert 80 < log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 90


def test_reliability_of_a_class_is_its_mean_probability_and_its_share():
    said = np.array([0.05, 0.07, 0.31, 0.39, 0.96])
    low, middle, high = reliability_of_class(said, np.array([0, 0, 1, 0, 1], bool))
    assert (low["confidence"], low["accuracy"], low["n_images"]) == (pytest.approx(0.06), 0, 2)
    assert (middle["confidence"], middle["accuracy"]) == (pytest.approx(0.35), 0.5)
    assert (high["low"], high["accuracy"]) == (0.9, 1)
