"""The selection figure against scikit-learn, over batches, with weights, after reloading."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from tfcovid.metrics.calibration import probabilities_from_logits
from tfcovid.metrics.macro_log_loss import MacroLogLoss


def expected(labels, logits):
    probs = probabilities_from_logits(logits)
    weights = 1 / np.bincount(labels)[labels]
    return metrics.log_loss(labels, probs, sample_weight=weights, labels=range(probs.shape[1]))


@pytest.fixture(params=[(2, 1), (2, 2), (4, 4)], ids=["one logit", "two logits", "four logits"])
def case(request):
    num_classes, columns = request.param
    rng = np.random.default_rng(4)
    labels = np.r_[np.arange(num_classes), rng.choice(num_classes, 60, p=_skewed(num_classes))]
    return num_classes, labels, rng.normal(0, 4, (len(labels), columns)).astype(np.float32)


def _skewed(num_classes):
    return np.r_[0.8, np.full(num_classes - 1, 0.2 / (num_classes - 1))]


def test_equals_class_balanced_log_loss(case):
    num_classes, labels, logits = case
    metric = MacroLogLoss(num_classes=num_classes)
    assert float(metric(labels, logits)) == pytest.approx(expected(labels, logits), rel=1e-5)


def test_is_the_same_whatever_the_batches(case):
    num_classes, labels, logits = case
    metric = MacroLogLoss(num_classes=num_classes)
    for first in range(0, len(labels), 7):
        metric.update_state(labels[first : first + 7, None], logits[first : first + 7])
    assert float(metric.result()) == pytest.approx(expected(labels, logits), rel=1e-5)


def test_ignores_sample_weights(case):
    num_classes, labels, logits = case
    metric = MacroLogLoss(num_classes=num_classes)
    metric.update_state(labels, logits, sample_weight=np.linspace(0, 9, len(labels)))
    assert float(metric.result()) == pytest.approx(expected(labels, logits), rel=1e-5)


def test_class_not_seen_has_no_part_in_the_mean():
    metric = MacroLogLoss(num_classes=3)
    logits = np.array([[0.0, 0.0, -np.inf], [np.log(3), 0.0, -np.inf]])
    metric.update_state([0, 1], logits)
    assert float(metric.result()) == pytest.approx((np.log(2) + np.log(4)) / 2, rel=1e-6)


def test_wrong_by_100_logits_costs_100_nats():
    metric = MacroLogLoss(num_classes=2)
    assert float(metric([0], np.array([[100.0]]))) == pytest.approx(100, rel=1e-6)


def test_nan_logits_show():
    assert np.isnan(float(MacroLogLoss(num_classes=2)([0, 1], np.array([[np.nan], [0.0]]))))


def test_reset_forgets_everything():
    metric = MacroLogLoss(num_classes=2)
    metric.update_state([0], np.array([[3.0]]))
    metric.reset_state()
    assert float(metric.result()) == 0


def test_reloaded_metric_is_the_same_metric():
    metric = MacroLogLoss(num_classes=5, name="loss_of_classes")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.get_config() == metric.get_config()


def test_evaluate_logs_it_over_the_whole_split(case):
    num_classes, labels, logits = case
    model = keras.Sequential([keras.Input((logits.shape[1],)), keras.layers.Activation("linear")])
    model.compile(loss="mse", metrics=[MacroLogLoss(num_classes=num_classes)])
    targets = labels.astype(np.int32)
    logged = model.evaluate(logits, targets[:, None], batch_size=9, verbose=0, return_dict=True)
    assert logged["macro_log_loss"] == pytest.approx(expected(labels, logits), rel=1e-5)


@pytest.mark.parametrize(
    ("num_classes", "shape"), [(3, (2, 1)), (3, (2, 2)), (2, (2, 3)), (2, (2,))]
)
def test_logits_of_another_width_are_refused(num_classes, shape):
    with pytest.raises(ValueError, match="logits must be"):
        MacroLogLoss(num_classes=num_classes).update_state([0, 1], np.zeros(shape))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        MacroLogLoss(num_classes=1)
