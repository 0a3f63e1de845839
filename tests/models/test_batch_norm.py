import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcovid.models.batch_norm import BatchNormalization

CHANNELS = 5


def _build(layer_class, *, dtype="float32", seed=0, axis=-1, channels=CHANNELS, **kwargs):
    layer = layer_class(momentum=0.9, epsilon=1e-5, dtype=dtype, axis=axis, **kwargs)
    shape = [None] * 4
    shape[axis] = channels
    layer.build(tuple(shape))
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        positive = variable.name in ("gamma", "moving_variance")
        values = rng.uniform(0.5, 2, channels) if positive else rng.normal(size=channels)
        variable.assign(values.astype(np.float32))
    return layer


def _images(rng, shape=(4, 6, 3, CHANNELS)):
    return (rng.normal(size=shape) * 3 + np.arange(shape[-1])).astype(np.float32)


def _step(layer, images, upstream, *, training, compiled=False):
    """Returns output, gradients with respect to x, gamma and beta, and the moving statistics."""

    def run(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) * dy)
        return y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

    run = tf.function(run) if compiled else run
    x = tf.cast(images, layer.compute_dtype)
    results = (*run(x, tf.constant(upstream)), layer.moving_mean, layer.moving_variance)
    return [np.asarray(tf.cast(tf.convert_to_tensor(value), tf.float64)) for value in results]


def _assert_equal_steps(ours, keras_layer, images, upstream, *, tolerance, **kwargs):
    names = ("output", "gradient of x", "of gamma", "of beta", "moving mean", "moving variance")
    results = _step(ours, images, upstream, **kwargs)
    expected = _step(keras_layer, images, upstream, **kwargs)
    for name, value, reference in zip(names, results, expected, strict=True):
        scale = np.abs(reference).max() + 1e-12
        np.testing.assert_allclose(value / scale, reference / scale, atol=tolerance, err_msg=name)


@pytest.fixture
def no_fallback(monkeypatch):
    """Makes the plain Keras computation an error in our layer, so that a test cannot pass by it."""
    plain = keras.layers.BatchNormalization.call

    def call(self, inputs, training=None, mask=None):
        assert not isinstance(self, BatchNormalization)
        return plain(self, inputs, training=training, mask=mask)

    monkeypatch.setattr(keras.layers.BatchNormalization, "call", call)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 2e-6), ("mixed_bfloat16", 1e-2), ("mixed_float16", 2e-3)],
)
def test_a_step_equals_the_keras_layer(dtype, tolerance, training, compiled, no_fallback):
    rng = np.random.default_rng(7)
    images, upstream = _images(rng), rng.normal(size=(4, 6, 3, CHANNELS)).astype(np.float32)
    ours = _build(BatchNormalization, dtype=dtype)
    theirs = _build(keras.layers.BatchNormalization, dtype=dtype)
    _assert_equal_steps(
        ours, theirs, images, upstream, tolerance=tolerance, training=training, compiled=compiled
    )


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    seed=st.integers(0, 2**32 - 1),
    training=st.booleans(),
)
def test_a_step_equals_the_keras_layer_for_any_shape(shape, seed, training):
    rng = np.random.default_rng(seed)
    images, upstream = _images(rng, shape), rng.normal(size=shape).astype(np.float32)
    ours = _build(BatchNormalization, seed=seed, channels=shape[-1])
    theirs = _build(keras.layers.BatchNormalization, seed=seed, channels=shape[-1])
    outputs = _step(ours, images, upstream, training=training)
    expected = _step(theirs, images, upstream, training=training)
    # With few values a channel the gradient of x is a difference of nearly equal numbers.
    ill_conditioned = training and np.prod(shape[:3]) <= 8
    for index in [0, 2, 3, 4, 5] if ill_conditioned else range(6):
        scale = np.abs(expected[index]).max() + 1
        np.testing.assert_allclose(outputs[index] / scale, expected[index] / scale, atol=1e-4)


def test_the_moving_variance_takes_the_variance_divided_by_n():
    layer = _build(BatchNormalization)
    before = np.asarray(layer.moving_variance, np.float64)
    images = _images(np.random.default_rng(8), (2, 2, 1, CHANNELS))  # n = 4: n / (n - 1) is 4 / 3
    layer(images, training=True)
    expected = 0.9 * before + 0.1 * images.astype(np.float64).var(axis=(0, 1, 2))
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-6)


def test_stored_statistics_are_used_and_kept_while_training():
    layer = _build(BatchNormalization, statistics="stored")
    before = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    images = _images(np.random.default_rng(9))
    np.testing.assert_array_equal(layer(images, training=True), layer(images, training=False))
    np.testing.assert_array_equal(layer.moving_mean, before[0])
    np.testing.assert_array_equal(layer.moving_variance, before[1])


def test_stored_statistics_leave_gamma_and_beta_their_gradients():
    rng = np.random.default_rng(10)
    images, upstream = _images(rng), rng.normal(size=(4, 6, 3, CHANNELS)).astype(np.float32)
    layer = _build(BatchNormalization, statistics="stored")
    _, _, of_gamma, of_beta, mean, variance = _step(layer, images, upstream, training=True)
    normalised = (images.astype(np.float64) - mean) / np.sqrt(variance + 1e-5)
    assert layer.trainable_variables == [layer.gamma, layer.beta]
    np.testing.assert_allclose(of_gamma, (upstream * normalised).sum((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(of_beta, upstream.sum((0, 1, 2)), rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_trainable_uses_the_stored_statistics():
    layer = _build(BatchNormalization)
    layer.trainable = False
    images = _images(np.random.default_rng(11))
    np.testing.assert_array_equal(layer(images, training=True), layer(images, training=False))


@pytest.mark.parametrize(
    ("kwargs", "dtype"),
    [({"axis": 1}, "float32"), ({}, "float64"), ({"renorm": True}, "float32")],
)
def test_what_the_fused_operation_cannot_do_is_left_to_keras(kwargs, dtype):
    images = _images(np.random.default_rng(12), (4, CHANNELS, 3, CHANNELS))
    ours = _build(BatchNormalization, dtype=dtype, **kwargs)
    theirs = _build(keras.layers.BatchNormalization, dtype=dtype, **kwargs)
    np.testing.assert_array_equal(ours(images, training=True), theirs(images, training=True))
    np.testing.assert_array_equal(ours.moving_variance, theirs.moving_variance)


def test_two_dimensional_input_is_left_to_keras():
    features = np.random.default_rng(13).normal(size=(7, 3)).astype(np.float32)
    expected = keras.layers.BatchNormalization()(features, training=True)
    np.testing.assert_array_equal(BatchNormalization()(features, training=True), expected)


def test_a_layer_survives_serialisation():
    layer = _build(BatchNormalization, statistics="stored", name="bn")
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is BatchNormalization
    assert again.get_config() == layer.get_config()
    assert (again.statistics, again.epsilon, again.momentum) == ("stored", 1e-5, 0.9)


def test_unknown_statistics_are_refused():
    with pytest.raises(ValueError, match=r"'batch' or 'stored'. Received: statistics='frozen'"):
        BatchNormalization(statistics="frozen")
