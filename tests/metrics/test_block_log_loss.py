"""The selection figure and the mean AUROC over an epoch, against NumPy and scikit-learn."""

import keras
import numpy as np
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

from tfcovid.metrics.block_log_loss import BlockLogLoss, MeanAuroc
from tfcovid.metrics.macro_log_loss import MacroLogLoss

RNG = np.random.default_rng(5)
BLOCKS = [(3, True), (4, False)]


def example(n=200):
    classes = np.eye(3, dtype=int)[RNG.integers(0, 3, n)]
    classes[RNG.random(n) < 0.3] = -1
    findings = RNG.choice([-1, 0, 1], (n, 4), p=[0.2, 0.5, 0.3])
    return np.hstack([classes, findings]), RNG.normal(0, 3, (n, 7)).astype(np.float32)


def independent(labels, logits):
    """Returns the mean over findings of the mean of both classes' mean log-losses, float64."""
    of_findings = []
    for column, scores in zip(labels.T, logits.T.astype(np.float64), strict=True):
        both = [
            -special.log_expit(sign * scores[column == value]).mean()
            for value, sign in ((0, -1), (1, 1))
            if (column == value).any()
        ]
        if both:
            of_findings.append(np.mean(both))
    return np.mean(of_findings)


def exclusive(labels, logits):
    nll = -special.log_softmax(logits.astype(np.float64), axis=1)
    return np.mean([nll[labels[:, c] == 1, c].mean() for c in range(3)])


def over_batches(metric, labels, logits, size=37):
    for start in range(0, len(labels), size):
        metric.update_state(labels[start : start + size], logits[start : start + size])
    return float(metric.result())


def test_every_output_and_each_of_its_two_classes_counts_the_same_and_blocks_do():
    labels, logits = example()
    found = over_batches(BlockLogLoss(blocks=BLOCKS), labels, logits)
    expected = (
        exclusive(labels[:, :3], logits[:, :3]) + independent(labels[:, 3:], logits[:, 3:])
    ) / 2
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_block_of_classes_is_the_macro_log_loss():
    labels, logits = example()
    known = labels[:, 0] >= 0
    ordinary = MacroLogLoss(num_classes=3)
    ordinary.update_state(labels[known, :3].argmax(axis=1), logits[known, :3])
    found = over_batches(BlockLogLoss(blocks=[(3, True)]), labels[:, :3], logits[:, :3])
    assert found == pytest.approx(float(ordinary.result()), rel=1e-6)


def test_unknown_labels_and_finding_that_no_image_shows_count_for_nothing():
    labels, logits = example()
    labels[:, 4] = -1
    labels[labels[:, 5] == 1, 5] = 0
    moved = logits.copy()
    moved[labels < 0] = RNG.normal(0, 30, (labels < 0).sum())
    moved[:, :3] = logits[:, :3]  # a class that is unknown has logits like any other
    first, second = (
        over_batches(BlockLogLoss(blocks=BLOCKS), labels, values) for values in (logits, moved)
    )
    expected = (
        exclusive(labels[:, :3], logits[:, :3]) + independent(labels[:, 3:], logits[:, 3:])
    ) / 2
    assert first == second == pytest.approx(expected, rel=1e-6)


def test_nothing_seen_is_zero():
    assert float(BlockLogLoss(blocks=BLOCKS).result()) == 0
    assert float(MeanAuroc(blocks=BLOCKS).result()) == 0.5


def test_mean_auroc_is_scikit_learn_s_but_for_the_bins():
    labels, logits = example(1000)
    logits[:, 3:] += labels[:, 3:] * np.array([0.0, 1.0, 2.0, 6.0])
    expected = np.mean(
        [
            roc_auc_score(labels[labels[:, k] >= 0, k], logits[labels[:, k] >= 0, k])
            for k in range(3, 7)
        ]
    )
    found = over_batches(MeanAuroc(blocks=BLOCKS), labels, logits)
    assert found == pytest.approx(expected, abs=2e-3)


def test_an_output_without_both_classes_has_no_part_in_the_mean_auroc():
    labels, logits = example(1000)
    labels[:, 3] = np.where(labels[:, 3] == 1, 0, labels[:, 3])
    expected = np.mean(
        [
            roc_auc_score(labels[labels[:, k] >= 0, k], logits[labels[:, k] >= 0, k])
            for k in range(4, 7)
        ]
    )
    assert over_batches(MeanAuroc(blocks=BLOCKS), labels, logits) == pytest.approx(
        expected, abs=2e-3
    )


@pytest.mark.parametrize("metric", [BlockLogLoss(blocks=BLOCKS), MeanAuroc(blocks=BLOCKS, bins=50)])
def test_a_reloaded_metric_is_the_same_metric(metric):
    labels, logits = example()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    metric.reset_state()
    assert over_batches(again, labels, logits) == over_batches(metric, labels, logits)
