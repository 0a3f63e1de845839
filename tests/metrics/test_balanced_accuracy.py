import keras
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from tfcovid.metrics.balanced_accuracy import BalancedAccuracy


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_figure_over_batches_is_scikit_learns_over_all(num_classes):
    rng = np.random.default_rng(num_classes)
    labels = rng.integers(0, num_classes, 101)
    logits = rng.normal(size=(101, 1 if num_classes == 2 else num_classes)).astype(np.float32)
    decisions = logits[:, 0] > 0 if num_classes == 2 else logits.argmax(axis=1)
    metric = BalancedAccuracy(num_classes=num_classes)
    for start in range(0, 101, 16):
        metric.update_state(labels[start : start + 16], logits[start : start + 16])
    assert float(metric.result()) == pytest.approx(balanced_accuracy_score(labels, decisions))
    np.testing.assert_array_equal(metric.matrix, confusion_matrix(labels, decisions))


def test_class_that_did_not_occur_does_not_count():
    metric = BalancedAccuracy(num_classes=3)
    metric.update_state([0, 0, 1], np.eye(3, dtype=np.float32)[[0, 2, 1]])
    assert float(metric.result()) == pytest.approx(0.75)


def test_weights_of_examples_are_ignored_and_reset_forgets():
    metric = BalancedAccuracy(num_classes=2)
    metric.update_state([0, 1], [[1.0], [1.0]], sample_weight=[100.0, 0.0])
    assert float(metric.result()) == pytest.approx(0.5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_configuration_survives_serialisation():
    config = keras.saving.serialize_keras_object(BalancedAccuracy(num_classes=4))
    assert keras.saving.deserialize_keras_object(config).num_classes == 4
