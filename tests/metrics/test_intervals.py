"""Intervals by patient: what they hold, when a bootstrap gives way, and that groups matter."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.metrics.predictions import random_predictions
from tfcovid.metrics.bounds import BOOTSTRAP, BOYD, FOLLOWED, NEWCOMBE, UNBIASED, WILSON
from tfcovid.metrics.classification import classification_metrics
from tfcovid.metrics.intervals import balanced_accuracy_interval, group_bootstrap
from tfcovid.metrics.small_samples import effective_number, wilson_interval

CLASSES = ["Normal", "Pneumonia", "COVID-19"]
PER_CLASS = ("precision", "recall", "specificity", "f1", "auroc", "auprc")


def value_of(figures, key):
    if not key.startswith("per_class."):
        return figures[key]
    name, figure = key.removeprefix("per_class.").rsplit(".", 1)
    return figures["per_class"][name][figure]


def intervals_of(labels, probs, decisions, groups, **options):
    options = {"resamples": 400, "seed": 0} | options
    return group_bootstrap(labels, probs, decisions, groups, CLASSES, **options)


def assert_same(entry, expected):
    bounds = {key: pytest.approx(expected[key], rel=1e-9) for key in ("low", "high")}
    assert entry == expected | bounds


@pytest.mark.parametrize("skill", [0.0, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("n", [12, 60, 600])
def test_every_figure_lies_in_its_interval(n, skill):
    sample = random_predictions(n, skill=skill)
    figures = classification_metrics(*sample[:3], CLASSES)
    found = intervals_of(*sample)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key, entry in found.items():
        assert entry["low"] <= value_of(figures, key) <= entry["high"], key
        assert -1 <= entry["low"] <= entry["high"] <= (2 if key == "brier" else 1), key
        assert entry["level"] == 0.95
        assert entry["method"] in (BOOTSTRAP, WILSON, NEWCOMBE, BOYD, UNBIASED, FOLLOWED)
        assert 0 < entry["n_patients"] <= len(np.unique(sample[3]))


def test_keys_are_every_figure_of_the_contract():
    expected = {f"per_class.{name}.{key}" for name in CLASSES for key in PER_CLASS}
    expected |= {"accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier", "ece"}
    assert set(intervals_of(*random_predictions())) == expected


def test_no_errors_give_no_certainty():
    labels, _, _, groups = random_predictions(60)
    found = intervals_of(labels, np.eye(3)[labels] * 0.97 + 0.01, labels, groups)
    for key, entry in found.items():
        if key not in ("brier", "ece"):
            assert entry["high"] == pytest.approx(1)
            assert entry["low"] < 0.97, key
    assert found["ece"]["high"] > 0.06


def test_recall_is_wilsons_on_the_effective_number_of_patients():
    labels = np.repeat([0, 1, 2], [200, 200, 16])
    groups = np.arange(len(labels)) // 2
    decisions = labels.copy()
    decisions[-2:] = 0
    entry = intervals_of(labels, np.eye(3)[decisions], decisions, groups)[
        "per_class.COVID-19.recall"
    ]
    n = effective_number(np.r_[np.full(7, 2.0), 0], np.full(8, 2.0))
    assert n == pytest.approx(8)  # two errors of one patient count as one
    expected = wilson_interval(14 / 16, n, 0.95, freedom=7)
    np.testing.assert_allclose([entry["low"], entry["high"]], expected)
    assert (entry["method"], entry["n_patients"], entry["few_groups"]) == (WILSON, 8, True)


def test_figures_of_many_errors_are_bootstrapped_and_not_marked():
    sample = random_predictions(1500, skill=1.0)
    found = intervals_of(*sample)
    for key in ("balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier"):
        assert found[key]["method"] == BOOTSTRAP
    assert found["ece"]["method"] == UNBIASED
    assert not any("few_groups" in entry for entry in found.values())


def test_average_precision_of_a_perfect_order_is_wilsons_on_its_class():
    labels, probs, decisions, groups = random_predictions(120, skill=30.0)
    found = intervals_of(labels, probs, decisions, groups)["per_class.COVID-19.auprc"]
    counts = np.unique(groups[labels == 2], return_counts=True)[1]
    n = counts.sum() ** 2 / np.square(counts).sum()
    expected = wilson_interval(1.0, n, 0.95, freedom=len(counts) - 1)
    np.testing.assert_allclose([found["low"], found["high"]], expected)
    assert found["method"] == BOYD


def test_average_precision_of_many_patients_has_the_bootstraps_width():
    labels, probs, decisions, groups = random_predictions(3000, skill=1.0)
    found = intervals_of(labels, probs, decisions, groups)["per_class.COVID-19.auprc"]
    rng, drawn = np.random.default_rng(0), []
    of_class = [
        [np.flatnonzero(groups == name) for name in np.unique(groups[labels == label])]
        for label in range(3)
    ]
    for _ in range(300):
        chosen = [part[k] for part in of_class for k in rng.integers(0, len(part), len(part))]
        rows = np.concatenate(chosen)
        drawn.append(metrics.average_precision_score(labels[rows] == 2, probs[rows, 2]))
    width = 2 * 1.96 * np.std(drawn)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.15)


def test_calibration_error_without_errors_may_move_as_far_as_accuracy():
    labels, _, _, groups = random_predictions(60)
    probs = np.eye(3)[labels] * 0.97 + 0.01
    found = intervals_of(labels, probs, labels, groups)
    lost = 1 - found["accuracy"]["low"]
    assert found["ece"]["method"] == FOLLOWED
    assert found["ece"]["high"] == pytest.approx(0.02 + lost)
    assert found["ece"]["low"] == 0


def test_calibration_error_of_calibrated_probabilities_reaches_down_to_zero():
    rng = np.random.default_rng(3)
    probs = rng.dirichlet([2, 1, 1], 400)
    labels = (rng.random((400, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    found = intervals_of(labels, probs, probs.argmax(axis=1), np.arange(400))
    assert found["ece"]["low"] < 0.01
    assert found["ece"]["method"] == UNBIASED


def test_few_patients_of_one_class_mark_what_rests_on_them():
    labels = np.repeat([0, 1, 2], [60, 60, 9])
    decisions = np.random.default_rng(0).permutation(labels)
    found = intervals_of(labels, np.eye(3)[decisions], decisions, np.arange(len(labels)))
    marked = {key for key, entry in found.items() if entry.get("few_groups")}
    of_class = {
        f"per_class.COVID-19.{key}" for key in ("precision", "recall", "f1", "auroc", "auprc")
    }
    assert marked == of_class | {"balanced_accuracy", "macro_f1"}


def test_images_of_one_patient_do_not_narrow_the_interval():
    labels, probs, decisions, _ = random_predictions(400, skill=1.0, images_per_group=1)
    once = intervals_of(labels, probs, decisions, np.arange(400))
    repeated = [np.repeat(values, 5, axis=0) for values in (labels, probs, decisions)]
    many = intervals_of(*repeated, np.repeat(np.arange(400), 5))
    for key, entry in once.items():
        assert_same(many[key], entry)


def test_names_and_order_of_patients_do_not_matter_to_the_seeded_bounds():
    labels, probs, decisions, groups = random_predictions(200)
    order = np.random.default_rng(1).permutation(200)
    shuffled = intervals_of(labels[order], probs[order], decisions[order], groups[order])
    plain = intervals_of(labels, probs, decisions, groups)
    for key, entry in plain.items():
        assert_same(shuffled[key], entry)


def test_bootstrap_standard_error_is_the_binomial_one_for_single_images():
    labels, probs, decisions, _ = random_predictions(3000, skill=0.7, images_per_group=1)
    entry = intervals_of(labels, probs, decisions, np.arange(3000), resamples=2000)["accuracy"]
    accuracy = (labels == decisions).mean()
    width = 2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 3000)
    assert entry["high"] - entry["low"] == pytest.approx(width, rel=0.15)


def test_wider_level_gives_wider_bounds():
    sample = random_predictions(200)
    narrow, wide = (intervals_of(*sample, level=level) for level in (0.8, 0.99))
    for key, entry in wide.items():
        assert entry["low"] <= narrow[key]["low"]
        assert entry["high"] >= narrow[key]["high"]


def test_figures_that_are_not_defined_have_no_entry():
    labels = np.array([0, 1] * 20)
    decisions = np.zeros(40, int)
    found = intervals_of(labels, np.eye(3)[decisions], decisions, np.arange(40))
    assert "per_class.COVID-19.recall" not in found
    assert "per_class.COVID-19.auroc" not in found
    assert "per_class.Pneumonia.precision" not in found
    assert "per_class.COVID-19.specificity" in found
    assert found["balanced_accuracy"]["low"] <= 0.5 <= found["balanced_accuracy"]["high"]


def test_shares_and_auroc_do_not_come_from_the_bootstrap():
    sample = random_predictions(300)
    many, few = intervals_of(*sample), intervals_of(*sample, resamples=2)
    for name in CLASSES:
        for key in ("recall", "specificity", "precision", "f1", "auroc"):
            assert few[f"per_class.{name}.{key}"] == many[f"per_class.{name}.{key}"]


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_sensitivity_and_auroc_cover_with_twenty_patients(alike):
    rng, covered = np.random.default_rng(11), np.zeros(2)
    for _ in range(150):
        groups = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        labels = (groups < 20).astype(int)
        scores = np.sqrt(alike) * rng.normal(size=60)[groups] + 1.8 * labels
        scores += np.sqrt(1 - alike) * rng.normal(size=len(groups))
        positive = stats.norm.cdf(scores - 0.5)
        found = group_bootstrap(
            labels,
            np.stack([1 - positive, positive], axis=1),
            (positive > 0.5).astype(int),
            groups,
            ["negative", "positive"],
            resamples=2,
            seed=0,
        )
        truth = stats.norm.cdf(1.3), stats.norm.cdf(1.8 / np.sqrt(2))
        for index, key in enumerate(("recall", "auroc")):
            entry = found[f"per_class.positive.{key}"]
            covered[index] += entry["low"] <= truth[index] <= entry["high"]
    assert (covered / 150 > 0.91).all()


@pytest.mark.parametrize("skill", [1.0, 30.0])
def test_balanced_accuracy_alone_has_the_same_interval(skill):
    labels, probs, decisions, groups = random_predictions(200, skill=skill)
    alone = balanced_accuracy_interval(
        labels, decisions, groups, num_classes=3, resamples=400, seed=0
    )
    assert alone == intervals_of(labels, probs, decisions, groups)["balanced_accuracy"]


def test_one_group_id_an_image_is_asked_for():
    labels, probs, decisions, groups = random_predictions(20)
    with pytest.raises(ValueError, match="one group id for each of 20 images"):
        intervals_of(labels, probs, decisions, groups[:-1])
