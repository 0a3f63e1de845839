import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcovid.models import depthwise
from tfcovid.models.depthwise import DepthwiseConv2D

CHANNELS = 5


def _build(layer_class, *, dtype, strides=2, **kwargs):
    layer = layer_class(3, strides=strides, use_bias=False, dtype=dtype, **kwargs)
    layer.build((None, None, None, CHANNELS))
    kernel = np.random.default_rng(0).normal(size=(3, 3, CHANNELS, 1))
    layer.kernel.assign(kernel.astype(np.float32))
    return layer


def _step(layer, images, *, compiled):
    """Returns output and gradients with respect to x and the kernel, under a random upstream."""

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(layer(x), tf.float32)
            upstream = tf.random.stateless_normal(tf.shape(y), (1, 2))
            loss = tf.reduce_sum(y * upstream)
        return y, *tape.gradient(loss, [x, layer.kernel.value])

    run = tf.function(run) if compiled else run
    return [np.asarray(tf.cast(value, tf.float64)) for value in run(tf.constant(images))]


@pytest.fixture
def ways(monkeypatch):
    """How often a gradient was computed in float32 in place of bfloat16."""
    taken = []
    ours = depthwise._with_float32_gradient
    monkeypatch.setattr(
        depthwise, "_with_float32_gradient", lambda *args: taken.append(1) or ours(*args)
    )
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    return taken


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
def test_a_strided_step_in_bfloat16_equals_the_keras_layer(size, padding, compiled, ways):
    images = np.random.default_rng(7).normal(size=(4, *size, CHANNELS)).astype(np.float32)
    settings = {"dtype": "mixed_bfloat16", "padding": padding}
    ours = _step(_build(DepthwiseConv2D, **settings), images, compiled=compiled)
    assert ways
    theirs = _step(_build(keras.layers.DepthwiseConv2D, **settings), images, compiled=compiled)
    exact = _step(
        _build(keras.layers.DepthwiseConv2D, **settings | {"dtype": "float32"}),
        images,
        compiled=compiled,
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[2], theirs[2])
    np.testing.assert_allclose(ours[1], theirs[1], atol=0.02 * np.abs(theirs[1]).max())
    # float32 on the way is no further from the truth than bfloat16 all the way.
    assert np.abs(ours[1] - exact[1]).mean() <= 1.01 * np.abs(theirs[1] - exact[1]).mean()


@pytest.mark.parametrize(("dtype", "strides"), [("float32", 2), ("mixed_bfloat16", 1)])
def test_everything_else_is_left_to_keras(dtype, strides, ways):
    images = np.random.default_rng(7).normal(size=(2, 8, 8, CHANNELS)).astype(np.float32)
    settings = {"dtype": dtype, "strides": strides, "padding": "same"}
    ours = _step(_build(DepthwiseConv2D, **settings), images, compiled=True)
    theirs = _step(_build(keras.layers.DepthwiseConv2D, **settings), images, compiled=True)
    assert not ways
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_layer_survives_saving():
    layer = _build(DepthwiseConv2D, dtype="mixed_bfloat16", padding="valid")
    described = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is DepthwiseConv2D and again.strides == (2, 2)
