"""Means over findings, and what patients say of them."""

import numpy as np
import pytest
from sklearn import metrics

from tests.metrics.finding_examples import drawn
from tfcovid.metrics.finding_means import COMBINED, mean_interval, mean_of, mean_ranks


def entry(low, high, **more):
    return {"low": low, "high": high, "level": 0.95, "method": "m", "n_patients": 5} | more


def test_a_mean_leaves_out_what_is_undefined():
    assert mean_of([0.2, None, 0.6]) == pytest.approx(0.4)
    assert mean_of([None, None]) is None


@pytest.mark.parametrize("key", ["mean_auroc", "mean_auprc", "macro_f1"])
def test_an_interval_is_the_bootstrap_s_of_ranks_and_combined_where_patients_are_few(key):
    targets, logits, groups = drawn(shares=(0.4, 0.3, 0.3), seed=2)
    values = {"a": 0.7, "b": 0.8, "c": None}
    ends = {"a": entry(0.6, 0.8), "b": entry(0.75, 0.9), "c": None}
    found = mean_interval(key, values, ends, targets, logits, groups, seed=0)
    assert (found["method"] == COMBINED) == (key == "macro_f1")
    few = {**ends, "b": entry(0.75, 0.9, few_groups=True)}
    combined = mean_interval(key, values, few, targets, logits, groups, seed=0)
    assert combined["method"] == COMBINED and combined["few_groups"]
    # Zou and Donner: the distances add up in squares.
    assert combined["low"] == pytest.approx(0.75 - np.hypot(0.1, 0.05) / 2)
    assert combined["high"] == pytest.approx(0.75 + np.hypot(0.1, 0.1) / 2)


def test_without_a_figure_there_is_no_interval():
    targets, logits, groups = drawn(groups=5)
    none = {"a": None}
    assert mean_interval("macro_f1", none, none, targets, logits, groups, seed=0) is None


def test_resampled_means_are_those_of_scikit_learn_on_resampled_patients():
    targets, logits, groups = drawn(groups=40, shares=(0.5, 0.4, 0.3), seed=4)
    means = mean_ranks("mean_auroc", targets, logits, groups, seed=7)
    whole = [
        metrics.roc_auc_score(t[t >= 0], s[t >= 0])
        for t, s in zip(targets.T, logits.T, strict=True)
    ]
    assert means.shape == (2000,)
    assert np.mean(means) == pytest.approx(np.mean(whole), abs=0.01)
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    drawn_means = []
    for _ in range(300):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn_means.append(
            np.mean(
                [
                    metrics.roc_auc_score(t[rows][t[rows] >= 0], s[rows][t[rows] >= 0])
                    for t, s in zip(targets.T, logits.T, strict=True)
                ]
            )
        )
    assert np.std(means) == pytest.approx(np.std(drawn_means), rel=0.2)
