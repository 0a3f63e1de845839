"""Swaps of whole patients, against swapping rows one draw at a time."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.metrics.systems import two_systems
from tfcovid.metrics import permutation
from tfcovid.metrics.confusion import group_confusion
from tfcovid.metrics.permutation import auroc_exchanges, permutation_p_values


def inputs(labels, groups, probs_a, probs_b):
    index = np.unique(groups, return_inverse=True)[1]
    confusions = [
        group_confusion(labels, probs.argmax(axis=1), index, probs.shape[1])
        for probs in (probs_a, probs_b)
    ]
    exchanges = [
        auroc_exchanges(labels == k, probs_a[:, k], probs_b[:, k], index)
        for k in range(probs_a.shape[1])
    ]
    return *confusions, np.stack(exchanges, axis=1)


def test_exchanges_give_the_difference_of_aurocs_after_any_swaps():
    labels, groups, probs_a, probs_b = two_systems(30)
    index = np.unique(groups, return_inverse=True)[1]
    # Ties within a system and across both.
    a, b = stats.rankdata(probs_a[:, 0].round(1)), stats.rankdata(probs_b[:, 0].round(1))
    exchanges = auroc_exchanges(labels == 0, a, b, index)
    rng = np.random.default_rng(0)
    for row in range(20):
        swapped = rng.random(30) < (0.5 if row else 0)
        of_image = swapped[index]
        expected = metrics.roc_auc_score(labels == 0, np.where(of_image, b, a))
        expected -= metrics.roc_auc_score(labels == 0, np.where(of_image, a, b))
        assert np.where(swapped, -1, 1) @ exchanges == pytest.approx(expected, abs=1e-12)


def test_another_scale_of_one_system_changes_no_exchange():
    labels, groups, probs_a, probs_b = two_systems(30)
    index = np.unique(groups, return_inverse=True)[1]
    plain = auroc_exchanges(labels == 1, probs_a[:, 1], probs_b[:, 1], index)
    scaled = auroc_exchanges(labels == 1, probs_a[:, 1], probs_b[:, 1] ** 3 / 7, index)
    np.testing.assert_allclose(plain, scaled, atol=1e-15)


def all_swaps_p_value(figure, labels, groups, decisions_a, decisions_b):
    """The exact p-value: every way of swapping patients, drawn rows one after another."""
    names = np.unique(groups)
    seen = figure(labels, decisions_a) - figure(labels, decisions_b)
    as_far = 0
    for swapped in itertools.product([False, True], repeat=len(names)):
        of_image = np.isin(groups, names[np.array(swapped)])
        a = np.where(of_image, decisions_b, decisions_a)
        b = np.where(of_image, decisions_a, decisions_b)
        as_far += abs(figure(labels, a) - figure(labels, b)) >= abs(seen) - 1e-9
    return as_far / 2 ** len(names)


def test_p_values_near_those_of_all_swaps(monkeypatch):
    monkeypatch.setattr(permutation, "_CHUNK", 5000)
    labels, groups, probs_a, probs_b = two_systems(10, seed=3, skill_a=2.5, skill_b=0.5)
    found = permutation_p_values(*inputs(labels, groups, probs_a, probs_b), 20_000, 0)
    decisions = probs_a.argmax(axis=1), probs_b.argmax(axis=1)
    figures = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "macro_f1": lambda truth, guess: metrics.f1_score(truth, guess, average="macro"),
    }
    for key, figure in figures.items():
        expected = all_swaps_p_value(figure, labels, groups, *decisions)
        assert found[key] == pytest.approx(expected, abs=0.015), key


def test_one_system_against_itself_is_never_different():
    labels, groups, probs, _ = two_systems(40)
    found = permutation_p_values(*inputs(labels, groups, probs, probs), 200, 0)
    for key, p_value in found.items():
        assert (p_value == 1).all(), key


def test_a_much_better_system_has_the_smallest_p_value_and_a_missing_class_none():
    labels, groups, probs_a, probs_b = two_systems(200, skill_a=4.0, skill_b=0.5)
    kept = labels < 2
    sample = (values[kept] for values in (labels, groups, probs_a, probs_b))
    found = permutation_p_values(*inputs(*sample), 999, 0)
    assert found["accuracy"] == pytest.approx(0.001)
    assert found["auroc"][0] == pytest.approx(0.001)
    assert np.isnan(found["auroc"][2])
    assert np.isnan(found["recall"][2])


def test_equally_good_systems_are_called_different_as_often_as_said():
    p_values = []
    for seed in range(300):
        found = permutation_p_values(*inputs(*two_systems(40, seed=seed)), 300, seed)
        p_values.append([found["accuracy"], found["recall"][0], found["auroc"][0]])
    rejected = (np.array(p_values) <= 0.05).mean(axis=0)
    # A test of counts may be more careful than it says, and none may be less.
    assert (rejected < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)).all()
    assert rejected[2] > 0.02
