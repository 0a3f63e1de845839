import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize

from tfcovid.losses.class_weights import inverse_frequency, sampling_weights
from tfcovid.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from tfcovid.losses.focal import SigmoidFocal, SoftmaxFocal
from tfcovid.metrics.macro_log_loss import MacroLogLoss
from tfcovid.training.linear_probe import _Trainer, class_averaged_log_loss, fit_probes

LOSSES = {
    ("ce", 2): SigmoidCrossEntropy(),
    ("focal", 2): SigmoidFocal(gamma=2.0),
    ("ce", 3): SoftmaxCrossEntropy(sparse=True),
    ("focal", 3): SoftmaxFocal(gamma=2.0, sparse=True),
}


def sample(num_classes, seed, n=200):
    """Returns skewed features and labels of unequal classes."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(num_classes), rng.integers(0, num_classes, n - num_classes) ** 2 // 2]
    features = rng.gamma(2.0, size=(n, 6)) * np.arange(1, 7) + 3
    features[np.arange(n), labels] += 4
    return features.astype(np.float32), labels


def fitted(num_classes, loss="ce", seeds=(0,), **settings):
    features, labels = sample(num_classes, seed=1)
    bias = np.zeros(1 if num_classes == 2 else num_classes)
    asked = {"loss": LOSSES[loss, num_classes], "head_bias": bias, "seeds": seeds} | settings
    return fit_probes(features, labels, *sample(num_classes, seed=2), **asked)


def oracle_loss(parameters, features, labels, num_classes, *, gamma, weights, l2):
    """Weighted loss plus L2 / 2 * |kernel|^2, in float64, from the formula."""
    outputs = 1 if num_classes == 2 else num_classes
    kernel = parameters[: features.shape[1] * outputs].reshape(-1, outputs)
    logits = features @ kernel + parameters[kernel.size :]
    if outputs == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    truth = log_probs[np.arange(len(labels)), labels]
    losses = (1 - np.exp(truth)) ** gamma * -truth
    return np.mean(weights * losses) + l2 / 2 * np.square(kernel).sum()


@pytest.mark.parametrize("loss", ["ce", "focal"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_head_reaches_the_optimum_of_its_objective(num_classes, loss):
    features, labels = sample(num_classes, seed=1)
    weights = inverse_frequency(np.bincount(labels))[labels]
    standardised = (features - features.mean(axis=0)) / features.std(axis=0)
    outputs = 1 if num_classes == 2 else num_classes
    trainer = _Trainer(
        standardised,
        labels,
        weights,
        loss=LOSSES[loss, num_classes],
        num_outputs=outputs,
        l2_strengths=[0.05],
        batch_size=len(labels),
        learning_rate=0.05,
    )
    trainer.start(0, np.zeros(outputs))
    # The whole set is one batch: 300 epochs in one call.
    trainer.train(tf.tile(tf.range(len(labels)), [300]))
    kernel, bias = trainer.values()
    settings = {"gamma": 2.0 if loss == "focal" else 0.0, "weights": weights, "l2": 0.05}

    def objective(parameters):
        return oracle_loss(parameters, standardised, labels, num_classes, **settings)

    reached = objective(np.r_[kernel.ravel(), bias.ravel()].astype(np.float64))
    best = optimize.minimize(objective, np.zeros(kernel.size + bias.size))
    assert reached == pytest.approx(best.fun, rel=1e-4)


def test_strengths_side_by_side_equal_each_alone():
    strengths = (1e-3, 1e-1, 1.0)
    (together,) = fitted(3, l2_strengths=strengths, max_epochs=5, patience=9)
    alone = [fitted(3, l2_strengths=[l2], max_epochs=5, patience=9)[0] for l2 in strengths]
    best = min(alone, key=lambda probe: probe.validation_loss)
    assert together.l2 == pytest.approx(best.l2)
    assert together.epochs == best.epochs
    np.testing.assert_allclose(together.kernel, best.kernel, atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_validation_loss_is_the_one_that_training_selects_by(num_classes):
    (probe,) = fitted(num_classes)
    features, labels = sample(num_classes, seed=2)
    metric = MacroLogLoss(num_classes=num_classes)
    metric.update_state(labels, keras.ops.convert_to_tensor(probe.logits(features)))
    assert probe.validation_loss == pytest.approx(float(metric.result()), rel=1e-5)
    logits = probe.logits(features)[:, None]
    assert class_averaged_log_loss(logits, labels)[0] == pytest.approx(probe.validation_loss)


def test_a_seed_gives_the_same_head_whatever_stands_beside_it():
    _, of_two = fitted(3, seeds=(5, 7), max_epochs=3)
    (alone,) = fitted(3, seeds=(7,), max_epochs=3)
    np.testing.assert_array_equal(of_two.kernel, alone.kernel)
    assert not np.array_equal(of_two.kernel, fitted(3, seeds=(5,), max_epochs=3)[0].kernel)


def test_weighted_sampling_lifts_the_rare_class_as_class_weights_do():
    features, labels = sample(3, seed=1)
    counts = np.bincount(labels)
    rare = counts.argmin()
    plain, weighted, drawn = (
        fitted(3, max_epochs=30, **settings)[0].logits(features)
        for settings in (
            {},
            {"example_weights": inverse_frequency(counts)[labels]},
            {"sampling_weights": sampling_weights(labels, 3)},
        )
    )

    def lift(logits):
        return (logits[:, rare] - logits.mean(axis=1)).mean()

    assert lift(weighted) > lift(plain)
    assert lift(drawn) > lift(plain)


def test_a_feature_that_never_moves_changes_nothing():
    features, labels = sample(3, seed=1)
    constant = np.full((len(features), 1), 7, np.float32)
    (probe,) = fit_probes(
        np.hstack([features, constant]),
        labels,
        np.hstack([features, constant]),
        labels,
        loss=LOSSES["ce", 3],
        head_bias=np.zeros(3),
        seeds=[0],
        max_epochs=2,
    )
    assert np.isfinite(probe.logits(np.hstack([features, constant]))).all()
