"""What is chosen on validation, how decision.json records it, and what it makes one doubt."""

import json

import numpy as np
import pytest

from tfcovid.metrics.decision import (
    DecisionRule,
    choose_decision_rule,
    positive_class,
    rule_from_description,
)
from tfcovid.metrics.operating_points import OPERATING_POINTS
from tfcovid.metrics.scaling import Scaling

TWO = ("Normal", "Pneumonia")
THREE = ("Normal", "Pneumonia", "COVID-19")


def examples(num_classes, n=400, seed=0, skill=2.0):
    """Returns logits, labels and groups of two images; the last class is the rarest."""
    rng = np.random.default_rng(seed)
    shares = np.r_[np.full(num_classes - 1, 0.9 / (num_classes - 1)), 0.1]
    labels = np.repeat(rng.choice(num_classes, n // 2, p=shares), 2)
    logits = rng.normal(size=(n, num_classes)) + skill * np.eye(num_classes)[labels]
    if num_classes == 2:
        logits = logits[:, 1:] - logits[:, :1]
    return logits, labels, np.repeat(np.arange(n // 2), 2)


def chosen(num_classes, *, given=None, **asked):
    classes = TWO if num_classes == 2 else THREE
    return choose_decision_rule(classes, *(given or examples(num_classes)), **asked)


def test_without_a_threshold_the_largest_calibrated_probability_decides():
    logits, *_ = examples(3)
    rule = DecisionRule(THREE, Scaling(2.0, (0.4, 0.0, -0.4)), "COVID-19")
    scores = logits / 2 + [0.4, 0.0, -0.4]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rule.probabilities(logits), expected, rtol=1e-5)
    np.testing.assert_array_equal(rule.decide(rule.probabilities(logits)), scores.argmax(axis=1))


def test_a_temperature_alone_never_changes_a_decision_of_several_classes():
    logits, *_ = examples(3)
    for temperature in (0.3, 1.0, 7.0):
        rule = DecisionRule(THREE, Scaling(temperature), "COVID-19")
        np.testing.assert_array_equal(
            rule.decide(rule.probabilities(logits)), logits.argmax(axis=1)
        )


@pytest.mark.parametrize("point", OPERATING_POINTS)
@pytest.mark.parametrize("bias_corrected", [True, False])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_figures_of_the_chosen_point_are_those_of_the_rule_on_validation(
    num_classes, bias_corrected, point
):
    logits, labels, _ = examples(num_classes)
    found = chosen(
        num_classes, bias_corrected=bias_corrected, operating_point=point, operating_value=0.8
    )
    positive = num_classes - 1
    decided = found.rule.decide(found.rule.probabilities(logits)) == positive
    recorded = found.record["operating_point"]
    assert (recorded["asked"], recorded["chosen"]) == (point, point)
    assert recorded["sensitivity"] == pytest.approx(decided[labels == positive].mean())
    assert recorded["specificity"] == pytest.approx(1 - decided[labels != positive].mean())
    assert recorded["precision"] == pytest.approx((labels[decided] == positive).mean())
    listed = found.record["operating_points"]
    assert tuple(listed) == OPERATING_POINTS
    assert listed[point].items() <= recorded.items()
    if point in ("sensitivity", "specificity", "precision"):
        assert recorded[point] >= 0.8


@pytest.mark.parametrize("point", OPERATING_POINTS)
@pytest.mark.parametrize("bias_corrected", [True, False])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_description_survives_json(num_classes, bias_corrected, point):
    found = chosen(num_classes, bias_corrected=bias_corrected, operating_point=point)
    described = json.loads(json.dumps(found.record, allow_nan=False))
    assert described == found.record
    assert rule_from_description(found.rule.classes, described) == found.rule
    assert described["chosen_on"]["n_images"] == 400
    assert described["chosen_on"]["n_patients"] == 200
    assert sum(described["chosen_on"]["n_patients_per_class"].values()) == 200


def test_log_loss_is_lower_after_calibration_than_before():
    logits, labels, groups = examples(3)
    losses = chosen(3, given=(3 * logits, labels, groups), bias_corrected=True).record["log_loss"]
    assert losses["after"] < losses["before"] - 0.05


def test_a_class_of_several_may_have_the_threshold():
    logits, labels, _ = examples(3)
    found = chosen(
        3, operating_point="sensitivity", operating_value=0.9, operating_class="Pneumonia"
    )
    assert list(found.record["thresholds"]) == ["Pneumonia"]
    probs = found.rule.probabilities(logits)
    decided = found.rule.decide(probs)
    assert (decided[labels == 1] == 1).mean() >= 0.9
    below = probs[:, 1] < found.rule.threshold
    np.testing.assert_array_equal(decided[below], 2 * (probs[below, 2] > probs[below, 0]))


def test_balanced_rule_decides_more_often_for_the_rare_class_than_its_probability_does():
    logits, *_ = examples(3)
    balanced, largest = (chosen(3, operating_point=name).rule for name in ("balanced", "argmax"))
    counts = [(rule.decide(rule.probabilities(logits)) == 2).sum() for rule in (balanced, largest)]
    assert balanced.scaling == largest.scaling
    assert counts[0] > counts[1]


def test_a_point_out_of_reach_makes_way_for_youdens_and_says_so():
    found = chosen(2, operating_point="precision", operating_value=1.0)
    logits, labels, groups = examples(2)
    logits[labels.argmin()] = 50.0  # an image of the other class is the most certain
    unreachable = chosen(
        2, given=(logits, labels, groups), operating_point="precision", operating_value=0.99
    )
    assert found.record["operating_point"]["chosen"] == "precision" and not found.doubts
    recorded = unreachable.record["operating_point"]
    assert (recorded["asked"], recorded["chosen"]) == ("precision", "youden")
    assert unreachable.record["operating_points"]["precision"]["threshold"] is None
    (doubt,) = unreachable.doubts
    assert doubt.startswith("Pneumonia: the operating point precision of 0.99 cannot be had")
    assert "Youden's threshold is taken instead" in doubt


def test_where_no_threshold_beats_chance_the_largest_probability_decides():
    logits, labels, groups = np.zeros((40, 1)), np.arange(40) % 2, np.arange(40)
    found = chosen(2, given=(logits, labels, groups), operating_point="youden")
    assert found.rule.threshold is None
    assert "the largest probability decides instead" in found.doubts[0]


def test_a_validation_split_without_the_class_leaves_a_rule_and_a_doubt():
    logits, labels, groups = examples(3)
    there = labels != 2
    found = chosen(
        3,
        given=(logits[there], labels[there], groups[there]),
        bias_corrected=True,
        operating_point="youden",
    )
    assert found.rule.threshold is None
    assert any("no image of the class" in doubt for doubt in found.doubts)
    assert any("COVID-19: only 0 patients" in doubt for doubt in found.doubts)


def test_few_patients_behind_a_bias_or_a_threshold_are_said_and_only_then():
    given = examples(2, n=60, seed=3)
    few = int(np.unique(given[2][given[1] == 1]).size)
    assert 0 < few < 10
    by_point = {
        (name, corrected): chosen(
            2, given=given, operating_point=name, bias_corrected=corrected
        ).doubts
        for name in ("argmax", "youden")
        for corrected in (False, True)
    }
    assert not by_point["argmax", False]
    head = f"Pneumonia: only {few} patients in the validation split; its"
    assert by_point["youden", False] == (f"{head} threshold rests on these few.",)
    assert by_point["argmax", True] == (f"{head} bias rests on these few.",)
    assert by_point["youden", True] == (f"{head} bias and threshold rest on these few.",)


def test_a_validation_split_without_an_error_is_said_to_say_too_little():
    labels = np.repeat([0, 1, 2], 20)
    found = chosen(3, given=(5 * np.eye(3)[labels], labels, np.arange(60)))
    (doubt,) = found.doubts
    assert "classified without an error" in doubt


def test_temperature_at_its_bound_is_said_to_be_undetermined():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 3000)
    logits = 60 * rng.normal(size=(3000, 3)) * np.where(np.eye(3)[labels], 1.0, 0.9)
    found = chosen(3, given=(logits, labels, np.arange(3000)))
    assert found.rule.scaling.temperature > 19.9
    assert any("lies at its bound" in doubt for doubt in found.doubts)


def test_the_positive_class_is_the_last_one_unless_another_of_several_is_named():
    assert positive_class(TWO, None) == positive_class(TWO, "Pneumonia") == "Pneumonia"
    assert positive_class(THREE, None) == "COVID-19"
    assert positive_class(THREE, "Normal") == "Normal"
    with pytest.raises(ValueError, match="--operating_class=Normal: expected Pneumonia, the sec"):
        positive_class(TWO, "Normal")
    with pytest.raises(ValueError, match="--operating_class=covid: expected Normal, Pneumonia, C"):
        positive_class(THREE, "covid")


@pytest.mark.parametrize("entry", ["temperature", "bias", "weights", "operating_point"])
def test_description_without_an_entry_is_a_clear_error(entry):
    described = chosen(3).record
    del described[entry]
    with pytest.raises(ValueError, match=rf"decision\.json: expected an entry '{entry}'"):
        rule_from_description(THREE, described)


def test_an_unknown_operating_point_is_refused():
    with pytest.raises(ValueError, match="operating_point must be one of argmax, balanced, "):
        chosen(3, operating_point="f1")
