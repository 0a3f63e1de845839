"""Cross-entropy against Keras; shapes, dtypes, reduction and refusals of every loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcovid.losses.cross_entropy import (
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from tfcovid.losses.focal import SoftmaxFocal


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_sigmoid_is_num_labels_times_keras_mean(rng, label_smoothing):
    labels, logits = rng.integers(0, 2, (64, 5)), rng.normal(0, 5, (64, 5)).astype(np.float32)
    theirs = keras.losses.binary_crossentropy(
        labels, logits, from_logits=True, label_smoothing=label_smoothing
    )
    ours = sigmoid_cross_entropy(labels, logits, label_smoothing=label_smoothing)
    np.testing.assert_allclose(ours, 5 * theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_softmax_equals_keras(rng, label_smoothing):
    labels = np.eye(5)[rng.integers(0, 5, 64)]
    logits = rng.normal(0, 3, (64, 5)).astype(np.float32)
    theirs = keras.losses.categorical_crossentropy(
        labels, logits, from_logits=True, label_smoothing=label_smoothing
    )
    ours = softmax_cross_entropy(labels, logits, label_smoothing=label_smoothing)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("labels_shape", [(32,), (32, 1)])
def test_sparse_equals_one_hot(rng, labels_shape):
    labels, logits = rng.integers(0, 4, 32), rng.normal(0, 3, (32, 4))
    options = {"alpha": [1.0, 2.0, 3.0, 0.5], "label_smoothing": 0.1}
    np.testing.assert_array_equal(
        sparse_softmax_cross_entropy(labels.reshape(labels_shape), logits, **options),
        softmax_cross_entropy(np.eye(4)[labels], logits, **options),
    )


@pytest.mark.parametrize("labels_shape", [(32,), (32, 1)])
@pytest.mark.parametrize("logits_shape", [(32,), (32, 1)])
def test_binary_shapes_never_broadcast(rng, labels_shape, logits_shape):
    labels, logits = rng.integers(0, 2, 32), rng.normal(0, 3, 32)
    loss = sigmoid_cross_entropy(labels.reshape(labels_shape), logits.reshape(logits_shape))
    np.testing.assert_array_equal(loss, sigmoid_cross_entropy(labels, logits))
    assert loss.shape == (32,)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_half_precision_logits_give_a_float32_loss(dtype):
    logits = tf.constant([[100.0, -100.0], [3.0, 1.0]], dtype)
    loss = sparse_softmax_cross_entropy([1, 0], logits)
    assert loss.dtype == "float32"
    np.testing.assert_allclose(loss, [200, np.log1p(np.exp(-2))], rtol=1e-6)


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_gives_nan_not_zero(label):
    loss = sparse_softmax_cross_entropy([label, 1], np.zeros((2, 3)))
    np.testing.assert_array_equal(np.isnan(loss.numpy()), [True, False])


def test_weighted_loss_is_divided_by_the_batch_size(rng):
    labels, logits = rng.integers(0, 3, 16), rng.normal(0, 3, (16, 3)).astype(np.float32)
    weights = rng.uniform(0.1, 5, 16)
    expected = (weights * sparse_softmax_cross_entropy(labels, logits).numpy()).sum() / 16
    np.testing.assert_allclose(SoftmaxCrossEntropy()(labels, logits, weights), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "outputs"), [(SigmoidCrossEntropy(), 1), (SoftmaxFocal(gamma=2.0), 3)]
)
def test_fit_reports_the_weighted_loss(rng, loss, outputs):
    images = rng.normal(0, 1, (12, 4)).astype(np.float32)
    labels = rng.integers(0, max(outputs, 2), 12).astype(np.int32)
    weights = rng.uniform(0.1, 5, 12).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs)])
    model.compile(keras.optimizers.SGD(0.0), loss)
    batches = tf.data.Dataset.from_tensors((images, labels, weights))
    logged = model.fit(batches, shuffle=False, verbose=0).history["loss"][0]
    np.testing.assert_allclose(logged, loss(labels, model(images), weights), rtol=1e-6)


def test_loss_in_float64_stays_in_float64(rng):
    labels, logits = rng.integers(0, 3, 16), rng.normal(0, 3, (16, 3))
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(
        SoftmaxCrossEntropy(dtype="float64")(labels, logits),
        -log_p[np.arange(16), labels].mean(),
        rtol=1e-14,
    )


@pytest.mark.parametrize(
    "loss",
    [
        SigmoidCrossEntropy(alpha=0.2, label_smoothing=0.1),
        SoftmaxCrossEntropy(alpha=(1, 2), sparse=False, reduction="sum", dtype="float64"),
    ],
)
def test_reloaded_loss_is_the_same_loss(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sigmoid_cross_entropy(np.zeros(3), np.zeros((3, 2))), "shape of the logits"),
        (lambda: sigmoid_cross_entropy(np.zeros(4), np.zeros(3)), "shape of the logits"),
        (lambda: sigmoid_cross_entropy(np.zeros((1, 1, 1)), np.zeros(3)), "one or two axes"),
        (lambda: softmax_cross_entropy(np.zeros(3), np.zeros((3, 3))), "shape of the logits"),
        (lambda: sparse_softmax_cross_entropy([0], np.zeros((1, 1))), "at least 2 classes"),
        (lambda: sparse_softmax_cross_entropy(np.eye(3), np.zeros((3, 3))), r"\[batch, 1\]"),
        (
            lambda: softmax_cross_entropy(np.eye(3), np.zeros((3, 3)), alpha=[1, 2]),
            "one weight for each of 3 classes",
        ),
        (
            lambda: sigmoid_cross_entropy(np.eye(3), np.zeros((3, 3)), alpha=[0.1, 0.2]),
            "one for each of 3 labels",
        ),
        (lambda: SigmoidCrossEntropy(alpha=1.0), r"in \(0, 1\)"),
        (lambda: SoftmaxCrossEntropy(alpha=0.5), "one positive weight for each class"),
        (lambda: SoftmaxCrossEntropy(alpha=[1.0, 0.0]), "one positive weight for each class"),
        (lambda: SoftmaxCrossEntropy(label_smoothing=1.0), r"label_smoothing must be in \[0, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
