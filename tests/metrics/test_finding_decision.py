"""What validation chooses for each finding, and the rule that comes of it."""

import json

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from tests.metrics.finding_examples import NAMES, drawn
from tfcovid.metrics.decision import rule_from_description
from tfcovid.metrics.finding_decision import FEWEST_PATIENTS, choose_finding_rule
from tfcovid.metrics.finding_rule import block_probabilities, finding_rule_from
from tfcovid.metrics.scaling import fit_scaling

CLASSES = ("Normal", "Pneumonia", "COVID-19")
SHARES = np.array([0.4, 0.2, 0.05])


def chosen_of(targets, logits, groups, **changes):
    options = {
        "num_exclusive": 0,
        "shares": SHARES,
        "seen_shares": SHARES,
        "bias_corrected": True,
        "operating_point": "youden",
        "operating_value": 0.9,
        "diagnosis_point": "argmax",
    } | changes
    names = NAMES if not options["num_exclusive"] else CLASSES + NAMES
    return choose_finding_rule(names, logits, targets, groups, **options)


def two_heads(seed=3):
    targets, logits, groups = drawn(seed=seed)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, len(targets))
    classes = np.eye(3, dtype=np.int8)[labels]
    scores = rng.normal(0, 1, (len(labels), 3)) + 2 * classes
    classes[rng.random(len(labels)) < 0.3] = -1
    both = np.hstack([scores, logits]).astype(np.float32)
    return np.hstack([classes, targets]), both, groups


@pytest.mark.parametrize("corrected", [False, True])
def test_each_finding_has_the_scaling_of_its_known_images_alone(corrected):
    targets, logits, groups = drawn()
    found = chosen_of(targets, logits, groups, bias_corrected=corrected)
    for k in range(2):
        known = targets[:, k] >= 0
        own = fit_scaling(logits[known, k : k + 1], targets[known, k], with_bias=corrected)
        assert found.rule.scalings[k] == own


def test_platt_calibration_lowers_the_log_loss_of_shifted_logits():
    targets, logits, groups = drawn()
    found = chosen_of(targets, logits * 3 + 2, groups)
    losses = found.record["outputs"]["Mass"]["log_loss"]
    assert losses["after"] < losses["before"]
    known = targets[:, 0] >= 0
    said = found.rule.probabilities(logits * 3 + 2)[known, 0]
    assert losses["after"] == pytest.approx(metrics.log_loss(targets[known, 0], said), rel=1e-5)


def test_youden_s_threshold_is_the_best_on_validation():
    targets, logits, groups = drawn()
    found = chosen_of(targets, logits, groups)
    probs = found.rule.probabilities(logits)
    for k in range(2):
        known = targets[:, k] >= 0
        fpr, tpr, _ = metrics.roc_curve(targets[known, k], probs[known, k])
        decided = found.rule.decide(probs)[known, k]
        truth = targets[known, k]
        reached = metrics.recall_score(truth, decided) + metrics.recall_score(
            truth, decided, pos_label=0
        )
        assert reached - 1 == pytest.approx((tpr - fpr).max())


@pytest.mark.parametrize("figure", ["sensitivity", "specificity"])
def test_a_figure_that_is_asked_for_is_reached_by_each_finding(figure):
    targets, logits, groups = drawn()
    found = chosen_of(targets, logits, groups, operating_point=figure, operating_value=0.8)
    decided = found.rule.decide(found.rule.probabilities(logits))
    for k in range(2):
        known = targets[:, k] >= 0
        value = metrics.recall_score(
            targets[known, k], decided[known, k], pos_label=int(figure == "sensitivity")
        )
        assert value >= 0.8


def test_without_patients_the_training_share_is_the_threshold_and_a_line_says_so():
    targets, logits, groups = drawn()
    targets[targets[:, 2] == 1, 2] = 0
    seen = np.array([0.5, 0.5, 0.5])
    found = chosen_of(targets, logits, groups, seen_shares=seen)
    entry = found.record["outputs"]["Hernia"]
    assert not entry["calibrated"] and entry["temperature"] == 1
    assert entry["threshold"] == pytest.approx(SHARES[2])
    # What the loss saw as one half is one in twenty: the bias that is expected takes it back.
    assert entry["bias"] == pytest.approx(special.logit(0.05) - special.logit(0.5), rel=1e-6)
    assert any("share of the training split is taken: Hernia 0.05" in d for d in found.doubts)


def test_too_few_patients_are_not_calibrated_by_their_own():
    targets, logits, groups = drawn()
    with_it = np.flatnonzero(targets[:, 1] == 1)
    keep = set(sorted(set(groups[with_it]))[: FEWEST_PATIENTS - 1])
    targets[[i for i in with_it if groups[i] not in keep], 1] = -1
    found = chosen_of(targets, logits, groups)
    assert not found.record["outputs"]["Edema"]["calibrated"]
    assert found.rule.scalings[1].temperature == 1
    assert any(f"Edema ({FEWEST_PATIENTS - 1} with it)" in doubt for doubt in found.doubts)


def test_unknown_labels_do_not_move_the_rule():
    targets, logits, groups = drawn()
    moved = logits.copy()
    moved[targets < 0] = 50
    first, second = (chosen_of(targets, values, groups) for values in (logits, moved))
    assert first.rule == second.rule


def test_two_heads_have_a_rule_each_and_probabilities_of_two_kinds():
    targets, logits, groups = two_heads()
    shares = np.array([1 / 3, 1 / 3, 1 / 3, *SHARES])
    found = chosen_of(targets, logits, groups, num_exclusive=3, shares=shares, seen_shares=shares)
    probs = found.rule.probabilities(logits)
    np.testing.assert_allclose(probs[:, :3].sum(axis=1), 1, rtol=1e-6)
    diagnosis = found.rule.diagnosis
    assert diagnosis.classes == CLASSES
    np.testing.assert_allclose(probs[:, :3], diagnosis.probabilities(logits[:, :3]), rtol=1e-6)
    scaling = found.rule.scalings[0]
    expected = special.expit(logits[:, 3] / scaling.temperature + scaling.offset(1)[0])
    np.testing.assert_allclose(probs[:, 3], expected, rtol=1e-5)
    decided = found.rule.decide(probs)
    assert (decided[:, :3].sum(axis=1) == 1).all()
    assert (decided[:, :3].argmax(axis=1) == diagnosis.decide(probs[:, :3])).all()
    assert "thresholds of 3 findings" in found.rule.in_words()


def test_raw_probabilities_are_softmax_and_sigmoid():
    _, logits, _ = two_heads()
    found = block_probabilities(logits, 3)
    np.testing.assert_allclose(found[:, :3], special.softmax(logits[:, :3], axis=1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 3:], special.expit(logits[:, 3:]), rtol=1e-5)


def test_decision_json_gives_the_rule_back():
    targets, logits, groups = two_heads()
    shares = np.array([1 / 3, 1 / 3, 1 / 3, *SHARES])
    found = chosen_of(targets, logits, groups, num_exclusive=3, shares=shares, seen_shares=shares)
    described = json.loads(json.dumps(found.record, allow_nan=False))
    diagnosis = rule_from_description(CLASSES, described["diagnosis"])
    again = finding_rule_from(CLASSES + NAMES, described, diagnosis)
    np.testing.assert_array_equal(again.probabilities(logits), found.rule.probabilities(logits))
    probs = found.rule.probabilities(logits)
    np.testing.assert_array_equal(again.decide(probs), found.rule.decide(probs))
    del described["outputs"]["Mass"]
    with pytest.raises(ValueError, match=r"decision\.json: expected an entry 'Mass'"):
        finding_rule_from(CLASSES + NAMES, described, diagnosis)


def test_validation_without_a_known_class_is_refused():
    targets, logits, groups = two_heads()
    targets[:, :3] = -1
    shares = np.array([1 / 3, 1 / 3, 1 / 3, *SHARES])
    with pytest.raises(ValueError, match="no image of the validation split is known to be one of"):
        chosen_of(targets, logits, groups, num_exclusive=3, shares=shares, seen_shares=shares)
