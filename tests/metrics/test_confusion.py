"""Figures of many confusion matrices at once, against those of one set of labels."""

import numpy as np
import pytest

from tests.metrics.predictions import random_predictions
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.confusion import (
    CLASS_FIGURES,
    WHOLE_FIGURES,
    confusion_figures,
    group_confusion,
    slopes_by_accuracy,
)

CLASSES = ["a", "b", "c"]


def test_stacked_figures_equal_classification_metrics():
    cases = [random_predictions(seed=seed, skill=seed) for seed in range(4)]
    matrices = np.stack(
        [
            group_confusion(labels, decisions, np.zeros(len(labels), int), 3)[0]
            for labels, _, decisions, _ in cases
        ]
    )
    stacked = confusion_figures(matrices)
    for row, (labels, probs, decisions, _) in enumerate(cases):
        figures = classification_metrics(labels, probs, decisions, CLASSES)
        for key in WHOLE_FIGURES:
            assert stacked[key][row] == pytest.approx(figures[key], rel=1e-12)
        for key in CLASS_FIGURES:
            expected = [figures["per_class"][name][key] for name in CLASSES]
            np.testing.assert_allclose(stacked[key][row], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "decisions"), [([0, 0, 1], [0, 1, 1]), ([0, 0, 0], [0, 0, 0]), ([0, 1], [2, 2])]
)
def test_undefined_figures_are_nan_where_classification_metrics_has_none(labels, decisions):
    labels, decisions = np.array(labels), np.array(decisions)
    figures = classification_metrics(labels, np.eye(3)[decisions], decisions, CLASSES)
    of_all = np.zeros(len(labels), int)
    ours = confusion_figures(group_confusion(labels, decisions, of_all, 3)[0])
    for key in WHOLE_FIGURES:
        expected = np.nan if figures[key] is None else figures[key]
        np.testing.assert_allclose(ours[key], expected, atol=1e-12)


def test_group_confusion_counts_each_group():
    labels, decisions = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1])
    found = group_confusion(labels, decisions, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_array_equal(found, [[[1, 0], [0, 1]], [[0, 1], [1, 0]]])


def test_slopes_are_those_of_mcc_and_kappa_at_fixed_margins():
    matrix = np.array([[30.0, 5, 2], [4, 40, 3], [6, 1, 9]])
    moved = matrix + np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]])
    before, after = confusion_figures(matrix), confusion_figures(moved)
    for key, slope in slopes_by_accuracy(matrix).items():
        change = (after[key] - before[key]) / (after["accuracy"] - before["accuracy"])
        assert slope == pytest.approx(change, rel=1e-9)
