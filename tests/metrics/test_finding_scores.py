"""Figures of findings: against scikit-learn on the images that are known, and their intervals."""

import numpy as np
import pytest
from sklearn import metrics

from tests.metrics.finding_examples import NAMES, drawn, probabilities
from tfcovid.metrics.finding_means import MEANS
from tfcovid.metrics.finding_scores import (
    PER_FINDING,
    finding_aurocs,
    finding_notes,
    finding_scores,
)


def scored(targets, probs, groups, **changes):
    decided = (probs >= 0.4).astype(np.int8)
    options = {"averaged": NAMES, "seed": 0} | changes
    return finding_scores(targets, probs, decided, groups, NAMES, **options), decided


@pytest.fixture(scope="module")
def example():
    targets, logits, groups = drawn()
    probs = probabilities(logits)
    found, decided = scored(targets, probs, groups)
    return targets, probs, decided, groups, found


def test_each_figure_is_scikit_learn_s_on_the_known_images(example):
    targets, probs, decided, _, found = example
    for k, name in enumerate(NAMES):
        known = targets[:, k] >= 0
        truth, said, ours = targets[known, k], probs[known, k], decided[known, k]
        expected = {
            "auroc": metrics.roc_auc_score(truth, said),
            "auprc": metrics.average_precision_score(truth, said),
            "recall": metrics.recall_score(truth, ours),
            "specificity": metrics.recall_score(truth, ours, pos_label=0),
            "precision": metrics.precision_score(truth, ours, zero_division=np.nan),
            "f1": metrics.f1_score(truth, ours),
            "brier": metrics.brier_score_loss(truth, said),
        }
        for key, value in expected.items():
            assert found["per_class"][name][key] == pytest.approx(value), (name, key)


def test_calibration_error_is_that_of_the_finding_s_probability(example):
    targets, probs, _, _, found = example
    known = targets[:, 0] >= 0
    truth, said = targets[known, 0], probs[known, 0]
    confidence = np.maximum(said, 1 - said)
    right = np.where(said > 0.5, truth == 1, truth == 0)
    edges = np.ceil(confidence * 15).astype(int)
    error = sum(
        abs((right[edges == b] - confidence[edges == b]).sum()) for b in np.unique(edges)
    ) / len(truth)
    assert found["per_class"]["Mass"]["ece"] == pytest.approx(error)


def test_counts_are_of_images_and_patients_with_without_and_unknown(example):
    targets, _, _, groups, found = example
    for k, name in enumerate(NAMES):
        for kind, value in (("", 1), ("_without", 0), ("_unknown", -1)):
            rows = targets[:, k] == value
            assert found["per_class"][name][f"n_images{kind}"] == rows.sum()
            assert found["per_class"][name][f"n_patients{kind}"] == len(set(groups[rows]))


def test_aurocs_alone_are_those_of_all_figures(example):
    targets, probs, _, groups, found = example
    alone = finding_aurocs(targets, probs, groups, NAMES, averaged=NAMES, seed=0)
    assert alone["mean_auroc"] == pytest.approx(found["mean_auroc"])
    assert alone["interval"] == pytest.approx(found["intervals"]["mean_auroc"])
    for name in NAMES:
        entry = found["intervals"][f"per_class.{name}.auroc"]
        assert alone["per_class"][name]["interval"] == pytest.approx(entry)
    logits = np.log(probs) - np.log1p(-probs)
    again = finding_aurocs(targets, logits, groups, NAMES, averaged=NAMES, seed=0)
    assert again["mean_auroc"] == pytest.approx(alone["mean_auroc"])


def test_means_are_over_the_findings_asked_for(example):
    targets, probs, _, groups, found = example
    for key, of in MEANS.items():
        expected = np.mean([found["per_class"][name][of] for name in NAMES])
        assert found[key] == pytest.approx(expected)
    two, _ = scored(targets, probs, groups, averaged=NAMES[:2])
    expected = np.mean([found["per_class"][name]["auroc"] for name in NAMES[:2]])
    assert two["mean_auroc"] == pytest.approx(expected)
    assert two["per_class"] == found["per_class"]


def test_every_figure_has_an_interval_that_holds_it(example):
    found = example[-1]
    keys = [*MEANS, *(f"per_class.{name}.{key}" for name in NAMES for key in PER_FINDING)]
    for key in keys:
        value = found
        for part in key.split("."):
            value = value[part]
        entry = found["intervals"][key]
        assert entry["low"] <= value <= entry["high"], key
        assert entry["n_patients"] > 0 and entry["level"] == 0.95


def test_what_is_unknown_has_no_part_in_any_figure(example):
    targets, probs, _, groups, found = example
    moved = probs.copy()
    moved[targets < 0] = np.random.default_rng(1).random((targets < 0).sum())
    again, _ = scored(targets, moved, groups)
    assert again == found


def test_a_finding_without_images_with_or_without_it_is_null_and_noted(example):
    targets, probs, _, groups, _ = example
    lacking = targets.copy()
    lacking[lacking[:, 1] == 1, 1] = 0
    lacking[:, 2] = np.where(lacking[:, 2] == 0, -1, lacking[:, 2])
    found, _ = scored(lacking, probs, groups)
    for name in NAMES[1:]:
        assert all(found["per_class"][name][key] is None for key in PER_FINDING)
        assert not [key for key in found["intervals"] if f".{name}." in key]
    assert found["mean_auroc"] == found["per_class"]["Mass"]["auroc"]
    (line, *_) = finding_notes(found)
    assert "Edema (none with it), Hernia (none known to be without it)" in line


def test_nothing_known_leaves_nothing_but_counts():
    targets, logits, groups = drawn(groups=5)
    found, _ = scored(np.full_like(targets, -1), probabilities(logits), groups)
    assert found["mean_auroc"] is None and found["intervals"] == {}


def test_few_patients_are_noted(example):
    found = example[-1]
    few = found["per_class"]["Hernia"]["n_patients"]
    assert few < 10
    assert any(f"Hernia ({few} with it)" in note for note in finding_notes(found))
    assert found["intervals"]["mean_auroc"]["few_groups"]


def test_shapes_that_do_not_fit_are_refused():
    targets, logits, groups = drawn(groups=5)
    with pytest.raises(ValueError, match=r"expected targets, probs and decided \[n, 3\]"):
        finding_scores(targets[:, :2], logits, logits, groups, NAMES, averaged=NAMES, seed=0)
