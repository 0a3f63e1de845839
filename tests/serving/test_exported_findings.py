"""The SavedModel of findings says what the rule says, in probabilities and in words."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.images import encode, noise
from tests.serving.test_exported import PREPROCESSING, random_model
from tfcovid.data.blocks import Block, label_texts
from tfcovid.data.preprocess import Preprocessing
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.finding_rule import FindingRule
from tfcovid.metrics.scaling import Scaling
from tfcovid.serving.client import load_signature
from tfcovid.serving.exported import save_exported
from tfcovid.serving.exported_findings import ExportedFindings

CLASSES = ("Normal", "COVID-19", "Viral")
FINDINGS = ("Mass", "Edema", "Pleural_Thickening")
SCALINGS = (Scaling(0.7, (-0.2, 0.2)), Scaling(1.9), Scaling(1.0, (0.4, -0.4)))


def rule_of(exclusive, thresholds=(0.5, 0.4, 0.6)):
    diagnosis = None
    if exclusive:
        scaling = Scaling(1.3, (0.1, 0.2, -0.3))
        diagnosis = DecisionRule(CLASSES, scaling, "COVID-19", None, (0.5, 2.0, 1.0))
    names = (CLASSES if exclusive else ()) + FINDINGS
    return FindingRule(names, SCALINGS, thresholds, diagnosis)


def blocks_of(exclusive):
    classes = (Block("diagnosis", CLASSES, True),) if exclusive else ()
    return (*classes, Block("findings", FINDINGS, False))


def exported(rule, model):
    return ExportedFindings(
        model,
        preprocessing=PREPROCESSING,
        classes=rule.classes,
        factor=rule.factor(),
        offset=rule.offset(),
        thresholds=rule.thresholds,
        num_exclusive=rule.num_exclusive,
        weights=None if rule.diagnosis is None else rule.diagnosis.weights,
        none="No Finding",
        separators=("|", "; "),
    )


@pytest.mark.parametrize("exclusive", [False, True])
def test_probabilities_labels_and_decision_are_those_of_the_rule(exclusive, tmp_path):
    rule = rule_of(exclusive)
    model = random_model(len(rule.classes))
    files = [encode(noise(40, 50, seed=seed), "PNG") for seed in range(24)]
    preprocessing = Preprocessing.from_json(PREPROCESSING.to_json())
    squares = tf.stack([preprocessing.image_from_bytes(file) for file in files])
    logits = model(preprocessing.network_input(squares), training=False).numpy()
    # Thresholds inside of what the network gives, so that decisions differ from image to image.
    probs = rule.probabilities(logits)
    middle = np.median(probs[:, rule.num_exclusive :], axis=0)
    rule = rule_of(exclusive, tuple(map(float, middle)))
    save_exported(exported(rule, model), tmp_path / "model")
    outputs = load_signature(tmp_path / "model")(image_bytes=tf.constant(files))
    np.testing.assert_allclose(outputs["probabilities"].numpy(), probs, rtol=1e-5, atol=1e-7)
    assert [name.decode() for name in outputs["labels"].numpy()] == list(rule.classes)
    decided = rule.decide(outputs["probabilities"].numpy())
    texts = label_texts(decided, blocks_of(exclusive)).tolist()
    assert [text.decode() for text in outputs["decision"].numpy()] == texts
    assert len(set(texts)) > 3


def test_no_finding_is_said_in_words(tmp_path):
    rule = rule_of(False, thresholds=(1.0, 1.0, 1.0))
    module = exported(rule, random_model(3))
    decided = module.decision(tf.constant([[0.5, 0.2, 0.9], [0.1, 1.0, 1.0]]))
    assert [text.decode() for text in decided.numpy()] == [
        "No Finding",
        "Edema|Pleural_Thickening",
    ]
