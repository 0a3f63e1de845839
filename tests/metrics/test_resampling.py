"""Resamples as weights: strata, repeatability, and figures equal to those of drawn rows."""

import numpy as np
import pytest
from sklearn import metrics

from tests.metrics.predictions import random_predictions
from tfcovid.metrics import resampling
from tfcovid.metrics.calibration import expected_calibration_error
from tfcovid.metrics.confusion import group_confusion
from tfcovid.metrics.resampling import (
    resample_weights,
    weighted_auroc,
    weighted_average_precision,
    weighted_calibration_gaps,
)


@pytest.fixture
def sample():
    labels, probs, decisions, groups = random_predictions(120)
    index = np.unique(groups, return_inverse=True)[1]
    return labels, probs, index, group_confusion(labels, decisions, index, 3)


def test_every_resample_has_as_many_groups_of_each_class(sample):
    labels, _, index, confusion = sample
    weights = resample_weights(confusion, 50, seed=1)
    for label in range(3):
        members = np.unique(index[labels == label])
        np.testing.assert_array_equal(weights[:, members].sum(axis=1), len(members))


def test_a_group_of_several_classes_belongs_to_the_rarest():
    one = np.eye(2)
    confusion = np.stack([np.diag([1.0, 0])] * 5 + [np.diag([0, 1.0])] * 2 + [one])
    weights = resample_weights(confusion, 50, seed=1)
    np.testing.assert_array_equal(weights[:, :5].sum(axis=1), 5)
    np.testing.assert_array_equal(weights[:, 5:].sum(axis=1), 3)


def test_one_seed_gives_one_set_of_resamples(sample):
    confusion = sample[-1]
    first, again, other = (resample_weights(confusion, 20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_groups_are_drawn_uniformly(sample):
    weights = resample_weights(sample[-1], 4000, seed=1)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)


@pytest.mark.parametrize("chunk", [1_000_000, 250])
def test_weighted_auroc_equals_scikit_learn_on_repeated_rows(sample, chunk, monkeypatch):
    monkeypatch.setattr(resampling, "_CHUNK", chunk)
    labels, probs, index, confusion = sample
    weights = resample_weights(confusion, 10, seed=3)
    scores = probs[:, 0].round(1)  # many ties
    found = weighted_auroc(labels == 0, scores, index, weights)
    for row in range(10):
        repeated = np.repeat(np.arange(len(labels)), weights[row, index].astype(int))
        expected = metrics.roc_auc_score(labels[repeated] == 0, scores[repeated])
        assert np.abs(found[row]).sum() == pytest.approx(expected, rel=1e-12)


def test_weighted_auroc_without_one_of_the_classes_is_nan():
    found = weighted_auroc(np.array([True, True]), np.zeros(2), np.array([0, 1]), np.ones((1, 2)))
    assert np.isnan(found).all()


@pytest.mark.parametrize("chunk", [1_000_000, 250])
def test_weighted_average_precision_equals_scikit_learn_on_repeated_rows(
    sample, chunk, monkeypatch
):
    monkeypatch.setattr(resampling, "_CHUNK", chunk)
    labels, probs, index, confusion = sample
    weights = resample_weights(confusion, 10, seed=3)
    scores = probs[:, 2].round(1)  # many ties
    found = weighted_average_precision(labels == 2, scores, index, weights)
    for row in range(10):
        repeated = np.repeat(np.arange(len(labels)), weights[row, index].astype(int))
        expected = metrics.average_precision_score(labels[repeated] == 2, scores[repeated])
        assert found[row] == pytest.approx(expected, rel=1e-6)


def test_weighted_average_precision_without_positives_is_nan():
    found = weighted_average_precision(
        np.array([False, True]), np.zeros(2), np.array([0, 1]), np.array([[1.0, 0.0]])
    )
    assert np.isnan(found).all()


def test_sizes_of_gaps_add_up_to_the_calibration_error_of_repeated_rows(sample):
    labels, probs, index, confusion = sample
    weights = resample_weights(confusion, 10, seed=3)
    found = weighted_calibration_gaps(probs, labels, index, weights)
    for row in range(10):
        repeated = np.repeat(np.arange(len(labels)), weights[row, index].astype(int))
        expected = expected_calibration_error(probs[repeated], labels[repeated])
        assert np.abs(found[row]).sum() == pytest.approx(expected, rel=1e-12)
