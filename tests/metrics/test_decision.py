import json

import numpy as np
import pytest

from tfcovid.metrics.decision import DecisionRule, choose_decision_rule, rule_from_description

TWO = ("Normal", "Pneumonia")
THREE = ("Normal", "Pneumonia", "COVID-19")


def test_largest_probability_decides_between_more_than_two_classes():
    rule = DecisionRule(THREE, temperature=2.0, threshold=None)
    logits = np.random.default_rng(0).normal(size=(50, 3))
    probs = rule.probabilities(logits)
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probs, expected, rtol=1e-12)
    np.testing.assert_array_equal(rule.decide(probs), logits.argmax(axis=1))


def test_threshold_itself_decides_for_the_second_class():
    rule = DecisionRule(TWO, temperature=1.0, threshold=0.3)
    probs = np.array([[0.71, 0.29], [0.7, 0.3], [0.69, 0.31]])
    np.testing.assert_array_equal(rule.decide(probs), [0, 1, 1])


def test_temperature_never_changes_a_decision_of_several_classes():
    logits = np.random.default_rng(1).normal(size=(100, 3))
    decisions = [DecisionRule(THREE, temperature, None) for temperature in (0.1, 1.0, 7.0)]
    first, *others = [rule.decide(rule.probabilities(logits)) for rule in decisions]
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_rule_is_chosen_on_validation_to_separate_it_best():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [300, 30])
    logits = rng.normal(loc=np.where(labels == 1, 0.0, -4.0))[:, None]
    rule = choose_decision_rule(TWO, logits, labels)
    decided = rule.decide(rule.probabilities(logits))
    recall, specificity = decided[labels == 1].mean(), 1 - decided[labels == 0].mean()
    for threshold in np.linspace(0.001, 0.999, 200):
        other = rule.probabilities(logits)[:, 1] >= threshold
        youden = other[labels == 1].mean() + 1 - other[labels == 0].mean()
        assert recall + specificity >= youden - 1e-12


def test_overconfident_logits_are_cooled_to_the_true_temperature():
    rng = np.random.default_rng(3)
    true_logits = rng.normal(scale=2, size=(20000, 3))
    probs = np.exp(true_logits) / np.exp(true_logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    rule = choose_decision_rule(THREE, 3 * true_logits, labels)
    assert rule.temperature == pytest.approx(3, rel=0.05)
    assert rule.threshold is None


@pytest.mark.parametrize(
    "rule", [DecisionRule(TWO, 1.3, 0.2), DecisionRule(THREE, 0.7, None)], ids=["two", "three"]
)
def test_description_survives_json(rule):
    described = json.loads(json.dumps(rule.describe(n_images=10, n_patients=7)))
    assert rule_from_description(rule.classes, described) == rule
    assert described["chosen_on"] == {"split": "validation", "n_images": 10, "n_patients": 7}


def test_description_without_an_entry_is_a_clear_error():
    with pytest.raises(ValueError, match=r"decision\.json: expected an entry 'temperature'"):
        rule_from_description(TWO, {"thresholds": {}})


def test_temperature_at_its_bound_is_said_to_be_undetermined():
    labels = np.repeat([0, 1, 2], 10)
    rule = choose_decision_rule(THREE, 0.5 * np.eye(3)[labels], labels)
    (doubt,) = rule.doubts()
    assert "does not determine it" in doubt
    assert not DecisionRule(THREE, 1.5, None).doubts()
