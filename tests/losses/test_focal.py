"""Focal losses against cross-entropy, tensorflow-addons and Keras, and their thin classes."""

import functools
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.losses.gradients import value_and_gradient
from tfcovid.losses.cross_entropy import (
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from tfcovid.losses.focal import (
    SigmoidFocal,
    SoftmaxFocal,
    sigmoid_focal_loss,
    softmax_focal_loss,
    sparse_softmax_focal_loss,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"alpha": 0.3}])
def test_sigmoid_gamma_zero_equals_cross_entropy(rng, options):
    labels, logits = rng.integers(0, 2, (64, 3)), rng.normal(0, 20, (64, 3))
    focal = functools.partial(sigmoid_focal_loss, gamma=0.0, **options)
    plain = functools.partial(sigmoid_cross_entropy, **options)
    for ours, expected in zip(
        value_and_gradient(focal, labels, logits),
        value_and_gradient(plain, labels, logits),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"alpha": [1.0, 2.0, 0.5]}])
def test_softmax_gamma_zero_equals_cross_entropy(rng, options):
    labels, logits = rng.integers(0, 3, 64), rng.normal(0, 20, (64, 3))
    focal = functools.partial(sparse_softmax_focal_loss, gamma=0.0, **options)
    plain = functools.partial(sparse_softmax_cross_entropy, **options)
    for ours, expected in zip(
        value_and_gradient(focal, labels, logits),
        value_and_gradient(plain, labels, logits),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


def test_gamma_going_to_zero_goes_to_cross_entropy(rng):
    labels, logits = np.eye(3)[rng.integers(0, 3, 64)], rng.normal(0, 3, (64, 3))
    np.testing.assert_allclose(
        softmax_focal_loss(labels, logits, gamma=1e-9),
        softmax_cross_entropy(labels, logits),
        rtol=1e-7,
    )


def test_sigmoid_equals_tensorflow_addons(rng, tmp_path):
    """Where its sigmoid does not saturate: beyond some 8 logits float32 1 - p has no digits."""
    hyper_parameters = [(2.0, 0.25), (1.5, 0.6), (0.5, 0.25), (5.0, 0.9), (0.0, 0.25)]
    logits = rng.uniform(-4, 4, (200, 3)).astype(np.float32)
    labels = rng.integers(0, 2, (200, 3)).astype(np.float32)
    given, results = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(given, logits=logits, labels=labels, hyper_parameters=hyper_parameters)
    script = pathlib.Path(__file__).with_name("tfa_process.py")
    done = subprocess.run(
        [sys.executable, str(script), str(given), str(results)],
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs = np.load(results)
    for row, (gamma, alpha) in enumerate(hyper_parameters):
        loss = functools.partial(sigmoid_focal_loss, gamma=gamma, alpha=alpha)
        value, gradient = value_and_gradient(loss, labels, logits)
        np.testing.assert_allclose(value, theirs[f"value_{row}"], rtol=2e-5)
        np.testing.assert_allclose(gradient, theirs[f"gradient_{row}"], rtol=2e-4, atol=1e-7)


def test_sigmoid_equals_keras_where_keras_is_accurate(rng):
    labels, logits = rng.integers(0, 2, (64, 1)), rng.uniform(-4, 4, (64, 1)).astype(np.float32)
    theirs = keras.losses.BinaryFocalCrossentropy(
        from_logits=True, gamma=2.0, alpha=0.3, apply_class_balancing=True
    )
    ours = SigmoidFocal(gamma=2.0, alpha=0.3)
    np.testing.assert_allclose(ours(labels, logits), theirs(labels, logits), rtol=1e-5)


def test_softmax_equals_keras_where_keras_is_accurate(rng):
    logits = rng.uniform(-3, 3, (64, 4)).astype(np.float32)
    labels = np.eye(4)[rng.integers(0, 4, 64)]
    alpha = [0.4, 1.0, 2.0, 3.0]
    theirs = keras.losses.CategoricalFocalCrossentropy(from_logits=True, gamma=1.7, alpha=alpha)
    ours = SoftmaxFocal(gamma=1.7, alpha=alpha, sparse=False)
    np.testing.assert_allclose(ours(labels, logits), theirs(labels, logits), rtol=1e-5)


def test_gradient_lives_where_keras_gradient_is_zero():
    logits, labels = np.array([[20.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    theirs = keras.losses.CategoricalFocalCrossentropy(from_logits=True)
    _, dead = value_and_gradient(theirs, labels, logits)
    _, alive = value_and_gradient(SoftmaxFocal(gamma=2.0, sparse=False), labels, logits)
    np.testing.assert_array_equal(dead, 0)
    np.testing.assert_allclose(alive[0, :2], [1, -1], rtol=1e-6)


def test_focusing_lowers_the_share_of_easy_examples():
    logits = np.array([4.0, -1.0], np.float32)
    easy, hard = sigmoid_focal_loss([1, 1], logits, gamma=2.0).numpy()
    easy_plain, hard_plain = sigmoid_cross_entropy([1, 1], logits).numpy()
    assert easy / hard < 0.01 * easy_plain / hard_plain


def test_alpha_weighs_positives_and_one_minus_alpha_negatives(rng):
    logits = rng.normal(0, 2, 16)
    for label, weight in ((1, 0.3), (0, 0.7)):
        labels = np.full(16, label)
        np.testing.assert_allclose(
            sigmoid_focal_loss(labels, logits, gamma=2.0, alpha=0.3),
            weight * sigmoid_focal_loss(labels, logits, gamma=2.0).numpy(),
            rtol=1e-12,
        )


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("make", [SigmoidFocal, SoftmaxFocal])
def test_gamma_out_of_range_is_refused(gamma, make):
    with pytest.raises(ValueError, match="gamma must be finite and >= 0"):
        make(gamma=gamma)


@pytest.mark.parametrize(
    "loss",
    [
        SigmoidFocal(gamma=0.7, alpha=0.2, label_smoothing=0.05, reduction="sum", name="a"),
        SigmoidFocal(gamma=3.0, alpha=(0.2, 0.9, 0.5)),
        SoftmaxFocal(gamma=0.7, alpha=(1, 2, 0.5), sparse=False, label_smoothing=0.1),
        SoftmaxFocal(gamma=1.0),
    ],
)
def test_reloaded_loss_is_the_same_loss(loss, rng):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    logits = rng.normal(0, 3, (8, 3))
    sparse = getattr(loss, "sparse", False)
    labels = rng.integers(0, 3, 8) if sparse else np.eye(3)[rng.integers(0, 3, 8)]
    np.testing.assert_array_equal(again(labels, logits), loss(labels, logits))


def test_loss_survives_saving_a_compiled_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", SoftmaxFocal(gamma=0.6, alpha=[1.0, 2.0, 3.0]))
    model.save(tmp_path / "m.keras")
    loss = keras.saving.load_model(tmp_path / "m.keras").loss
    assert (type(loss), loss.gamma, loss.alpha) == (SoftmaxFocal, 0.6, [1.0, 2.0, 3.0])
