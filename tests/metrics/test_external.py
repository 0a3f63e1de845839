"""The drop to another data set has an interval, and compares like with like only."""

import copy

import numpy as np
import pytest

from tfcovid.metrics.external import drops
from tfcovid.metrics.score import score

CLASSES = ("a", "b", "c")


def scored(gain, n=600, seed=0, labels=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n) if labels is None else labels
    logits = rng.normal(size=(len(labels), 3))
    logits[np.arange(len(labels)), labels] += gain
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return score(labels, probs, probs.argmax(axis=1), np.arange(len(labels)), CLASSES, seed=0)


def test_a_worse_score_is_a_drop_whose_interval_excludes_none():
    found = drops(scored(2.5), scored(1.0, seed=1))
    drop = found["balanced_accuracy"]
    assert drop["difference"] == pytest.approx(drop["a"] - drop["b"])
    assert 0 < drop["low"] < drop["difference"] < drop["high"]
    assert {"per_class.a.recall", "per_class.c.auroc"} <= found.keys()


def test_the_same_model_on_the_like_of_it_has_none():
    drop = drops(scored(1.5), scored(1.5, seed=1))["balanced_accuracy"]
    assert drop["low"] < 0 < drop["high"]


def test_without_a_class_the_means_over_classes_are_not_compared():
    two = scored(1.0, labels=np.arange(300) % 2)
    found = drops(scored(2.5), two)
    assert "balanced_accuracy" not in found and "accuracy" not in found
    assert "per_class.c.recall" not in found and "per_class.a.recall" in found


def test_a_figure_without_an_interval_has_no_drop():
    ours = scored(2.5)
    theirs = copy.deepcopy(ours)
    del theirs["intervals"]["accuracy"]
    assert "accuracy" not in drops(ours, theirs)
