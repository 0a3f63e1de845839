"""Figures against scikit-learn one by one and by hand, and what is not defined."""

import json

import numpy as np
import pytest
from sklearn import metrics

from tests.metrics.predictions import random_predictions
from tfcovid.metrics.classification import classification_metrics

CLASSES = ["Normal", "Pneumonia", "COVID-19"]


def test_keys_are_those_of_the_contract():
    labels, probs, decisions, _ = random_predictions()
    figures = classification_metrics(labels, probs, decisions, CLASSES)
    assert set(figures) == {
        *("accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier", "ece"),
        *("per_class", "confusion_matrix"),
    }
    assert list(figures["per_class"]) == CLASSES
    for of_class in figures["per_class"].values():
        assert set(of_class) == {"precision", "recall", "specificity", "f1", "auroc", "auprc"}
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learn(seed):
    labels, probs, decisions, _ = random_predictions(seed=seed, skill=0.5 * seed)
    figures = classification_metrics(labels, probs, decisions, CLASSES)
    for key, expected in {
        "accuracy": metrics.accuracy_score(labels, decisions),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, decisions),
        "macro_f1": metrics.f1_score(labels, decisions, average="macro"),
        "mcc": metrics.matthews_corrcoef(labels, decisions),
        "cohen_kappa": metrics.cohen_kappa_score(labels, decisions),
    }.items():
        assert figures[key] == pytest.approx(expected, rel=1e-12)
    for index, name in enumerate(CLASSES):
        truth, decided, score = labels == index, decisions == index, probs[:, index]
        assert figures["per_class"][name] == pytest.approx(
            {
                "precision": metrics.precision_score(truth, decided),
                "recall": metrics.recall_score(truth, decided),
                "specificity": metrics.recall_score(~truth, ~decided),
                "f1": metrics.f1_score(truth, decided),
                "auroc": metrics.roc_auc_score(truth, score),
                "auprc": metrics.average_precision_score(truth, score),
            },
            rel=1e-12,
        )


def test_figures_by_hand():
    labels, decisions = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
    figures = classification_metrics(labels, probs, decisions, ["no", "yes"])
    assert figures["confusion_matrix"] == [[2, 1], [0, 1]]
    assert figures["accuracy"] == 0.75
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["brier"] == pytest.approx(2 * (0.01 + 0.16 + 0.49 + 0.04) / 4)
    assert figures["per_class"]["yes"] == pytest.approx(
        {
            "precision": 0.5,
            "recall": 1.0,
            "specificity": 2 / 3,
            "f1": 2 / 3,
            "auroc": 1.0,
            "auprc": 1.0,
        }
    )


def test_class_without_an_image_has_no_figures_and_no_weight():
    labels, decisions = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    probs = np.eye(3)[decisions]
    figures = classification_metrics(labels, probs, decisions, CLASSES)
    missing = figures["per_class"]["COVID-19"]
    assert missing["specificity"] == 1.0
    undefined = ("precision", "recall", "f1", "auroc", "auprc")
    assert [missing[key] for key in undefined] == [None] * 5
    assert figures["balanced_accuracy"] == 0.75
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_one_class_throughout_is_scored_without_a_warning():
    labels = np.zeros(4, int)
    figures = classification_metrics(labels, np.tile([0.8, 0.2], (4, 1)), labels, ["a", "b"])
    assert figures["accuracy"] == figures["balanced_accuracy"] == 1.0
    assert figures["cohen_kappa"] is None
    assert figures["mcc"] == 0.0
    assert figures["per_class"]["a"]["specificity"] is None


def test_decisions_need_not_be_the_largest_probability():
    labels, probs, _, _ = random_predictions()
    always = np.full(len(labels), 2)
    figures = classification_metrics(labels, probs, always, CLASSES)
    assert figures["per_class"]["COVID-19"]["recall"] == 1.0
    assert figures["per_class"]["Normal"]["precision"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0, 3])}, "labels must be integers in"),
        ({"labels": np.array([0.0, 1.0])}, "labels must be integers in"),
        ({"labels": np.array([], int)}, "at least one"),
        ({"decisions": np.array([0, -1])}, "decisions must be integers in"),
        ({"decisions": np.array([0])}, "expected 2 decisions"),
        ({"probs": np.full((2, 2), 0.5)}, "Received: 2 decisions, probs"),
        ({"probs": np.full((2, 3), 0.5)}, "sum to 1. Received: row 0"),
        ({"probs": np.array([[1, 0, 0], [np.nan, 1, 0]])}, "sum to 1. Received: row 1"),
        ({"probs": np.array([[1.0, 0, 0], [-0.5, 1.0, 0.5]])}, "sum to 1. Received: row 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"labels": np.array([0, 1]), "probs": np.eye(3)[:2], "decisions": np.array([0, 1])}
    with pytest.raises(ValueError, match=message):
        classification_metrics(**(given | change), classes=CLASSES)
