"""Thresholds of one class: no other threshold does better, and rounding flips none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.metrics.operating_points import (
    OPERATING_POINTS,
    balancing_weights,
    decide,
    operating_points,
)

EXAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40)


def two_columns(scores):
    scores = np.asarray(scores, np.float32)
    return np.stack([1 - scores, scores], axis=1)


def figures(labels, scores, threshold):
    """Sensitivity, specificity and precision of a threshold, one image after the other."""
    pairs = [(label, np.float32(s) >= np.float32(threshold)) for label, s in zip(labels, scores)]  # noqa: B905
    hits = sum(label and decided for label, decided in pairs)
    alarms = sum(decided and not label for label, decided in pairs)
    positives = sum(labels)
    return (
        hits / positives,
        1 - alarms / (len(labels) - positives),
        hits / (hits + alarms) if hits + alarms else None,
    )


@given(EXAMPLES, st.integers(0, 20), st.integers(0, 20), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_no_other_threshold_reaches_more(examples, positive, negative, value):
    examples = [(True, positive), (False, negative), *examples]
    labels = np.array([label for label, _ in examples], int)
    scores = np.array([score for _, score in examples]) / 20
    points = operating_points(labels, two_columns(scores), 1, value=value)
    assert tuple(points) == OPERATING_POINTS
    others = [figures(labels, scores, at) for at in (*np.unique(scores), 2.0)]
    enough = value - 1e-9
    best = {
        "youden": max((se + sp - 1 for se, sp, _ in others if se + sp - 1 > 1e-9), default=None),
        "sensitivity": max((sp for se, sp, _ in others if se >= enough and sp), default=None),
        "specificity": max((se for se, sp, _ in others if sp >= enough and se), default=None),
        "precision": max((se for se, _, pr in others if se and pr >= enough), default=None),
    }
    for name, expected in best.items():
        point = points[name]
        if expected is None:
            assert point.why and point.threshold is None and point.sensitivity is None, name
            continue
        assert point.why is None and 0 <= point.threshold <= 1
        found = figures(labels, scores, point.threshold)
        assert (point.sensitivity, point.specificity, point.precision) == pytest.approx(found)
        sensitivity, specificity, _ = found
        reached = {
            "youden": sensitivity + specificity - 1,
            "sensitivity": specificity,
            "specificity": sensitivity,
            "precision": sensitivity,
        }[name]
        assert reached == pytest.approx(expected), name
        if point.threshold > 0:
            assert np.abs(np.float32(scores) - point.threshold).min() > 1e-3


def test_threshold_of_separated_scores_lies_in_the_middle_of_the_gap():
    probs = two_columns([0.1, 0.2, 0.6, 0.9])
    points = operating_points(np.array([0, 0, 1, 1]), probs, 1, value=0.95)
    for name in ("youden", "sensitivity", "specificity", "precision"):
        assert points[name].threshold == pytest.approx(0.4)


def test_scores_one_rounding_apart_are_still_told_apart():
    low = np.float32(0.5)
    scores = [low, np.nextafter(low, np.float32(1))]
    for _ in range(4):
        point = operating_points(np.array([0, 1]), two_columns(scores), 1, value=1.0)["youden"]
        assert (point.sensitivity, point.specificity) == (1, 1)
        scores = [np.nextafter(s, np.float32(1)) for s in scores]


def test_points_of_one_of_several_classes_count_it_against_the_rest():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1, 1, 1], 200).astype(np.float32)
    labels = (probs.cumsum(axis=1) > rng.random((200, 1))).argmax(axis=1)
    for positive in range(3):
        points = operating_points(labels, probs, positive, value=0.6)
        for point in points.values():
            weights = balancing_weights(labels, 3) if point.name == "balanced" else None
            decided = decide(probs, positive, point.threshold, weights) == positive
            assert (point.sensitivity, point.specificity, point.precision) == pytest.approx(
                (
                    decided[labels == positive].mean(),
                    1 - decided[labels != positive].mean(),
                    (labels[decided] == positive).mean(),
                )
            )


def test_threshold_takes_precedence_and_below_it_the_largest_of_the_others_decides():
    probs = np.array([[0.6, 0.1, 0.3], [0.6, 0.2, 0.2], [0.1, 0.3, 0.6]])
    np.testing.assert_array_equal(decide(probs, 2, 0.3), [2, 0, 2])
    np.testing.assert_array_equal(decide(probs, 2, 0.7), [0, 0, 1])
    np.testing.assert_array_equal(decide(probs, 2, None), [0, 0, 2])
    np.testing.assert_array_equal(decide(probs, 2, None, [0.1, 1, 1]), [2, 1, 2])


def test_threshold_itself_decides_for_the_class():
    probs = np.array([[0.71, 0.29], [0.7, 0.3], [0.69, 0.31]])
    np.testing.assert_array_equal(decide(probs, 1, 0.3), [0, 1, 1])


def test_balanced_decisions_have_the_highest_balanced_accuracy_for_true_probabilities():
    rng = np.random.default_rng(1)
    probs = rng.dirichlet([4, 1, 0.4], 20_000)
    labels = (probs.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)

    def balanced_accuracy(weights):
        decided = decide(probs, 2, None, weights)
        return np.mean([(decided[labels == c] == c).mean() for c in range(3)])

    best = balanced_accuracy(balancing_weights(labels, 3))
    assert best > balanced_accuracy(None) + 0.05
    for _ in range(30):
        other = balancing_weights(labels, 3) * np.exp(rng.normal(0, 0.5, 3))
        assert balanced_accuracy(other) < best + 0.005


def test_a_class_without_an_image_has_a_finite_weight():
    np.testing.assert_allclose(balancing_weights(np.array([0, 0, 1, 1]), 3), [2 / 3, 2 / 3, 4 / 3])


@pytest.mark.parametrize(
    ("label", "lacks"), [(0, "no image of the class"), (1, "of another class")]
)
def test_points_without_both_sides_are_listed_with_the_reason(label, lacks):
    points = operating_points(np.full(3, label), two_columns([0.1, 0.2, 0.3]), 1, value=0.95)
    assert points["argmax"].why is None
    for name in OPERATING_POINTS[2:]:
        assert lacks in points[name].why
    entry = points["precision"].as_json()
    assert entry["value"] == 0.95 and entry["threshold"] is None and lacks in entry["why"]


def test_what_cannot_be_reached_says_why():
    labels, probs = np.array([1, 0, 0, 1]), two_columns([0.1, 0.9, 0.8, 0.2])
    points = operating_points(labels, probs, 1, value=0.9)
    assert points["precision"].why == "the highest precision of any threshold is 0.500"
    assert "better than chance" in points["youden"].why
    assert "always" in points["sensitivity"].why
    assert "never" in points["specificity"].why


def test_probabilities_must_be_finite():
    with pytest.raises(ValueError, match="Received: 2 that are not"):
        operating_points(np.array([0, 1]), two_columns([0.1, np.nan]), 1, value=0.9)
