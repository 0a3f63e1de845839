"""Batch norms folded into the convolutions before them, for networks that only predict."""

import collections
import itertools

import keras
import numpy as np
from keras import ops

from tfcovid.models.batch_norm import BatchNormalization


@keras.saving.register_keras_serializable(package="tfcovid")
class ChannelBias(keras.layers.Layer):
    """Adds a number to each channel of a feature map [batch, height, width, channels].

    On the TensorFlow backend only: it is for SavedModels.
    """

    def build(self, input_shape):
        """Makes the numbers, 0 at the start."""
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs, mask=None):
        """Returns the sums, in the shape and dtype of the inputs.

        A clone repeats the call of the batch norm in whose place it stands, with its mask.
        """
        import tensorflow as tf

        # TensorFlow adds a `BiasAdd` while it convolves, but not the `AddV2` of a Keras bias.
        return tf.nn.bias_add(inputs, ops.cast(self.bias, inputs.dtype))


def folded(model):
    """Returns the network with each batch norm that follows a convolution folded into it.

    With s = gamma / sqrt(variance + epsilon) of its stored statistics, the kernel is multiplied by
    the s of each output channel, and (bias - mean) * s + beta is added: what the two layers give,
    to rounding. It is not only less to compute: with batch norms TensorFlow 2.21 asks oneDNN for
    the small convolutions of a single image in a way for which oneDNN has no fast code.

    Args:
      model: a functional Keras model, possibly with models nested in it.

    Returns:
      A new, uncompiled model with variables of its own, for prediction only: what was folded has
      no statistics to train with. The layers have their names; in a folded batch norm's place is a
      `ChannelBias`. Without anything to fold the model itself.
    """
    pairs = _pairs(model)
    if not pairs:
        return model
    met = collections.Counter(id(layer) for layer in _layers(model))
    # A layer of two networks is not changed by what follows it in one of them.
    pairs = [pair for pair in pairs if all(met[id(layer)] == 1 for layer in pair)]
    if not pairs:
        return model
    convolutions, norms = ([id(layer) for layer in layers] for layers in zip(*pairs, strict=True))

    def copied(layer):
        if id(layer) in norms:
            return ChannelBias(name=layer.name, dtype=layer.dtype_policy.name)
        if _is_functional(layer):
            return keras.models.clone_model(layer, clone_function=copied)
        bias = {"use_bias": False} if id(layer) in convolutions else {}
        return type(layer).from_config({**layer.get_config(), **bias})

    # Without Keras' own recursion, which takes KerasHub's transformers apart too.
    copy = keras.models.clone_model(model, clone_function=copied)
    weights = {
        id(layer): [value]
        for pair in pairs
        for layer, value in zip(pair, _folded_weights(*pair), strict=True)
    }
    for layer, other in zip(_layers(model), _layers(copy), strict=True):
        other.set_weights(weights.get(id(layer)) or layer.get_weights())
    return copy


def _layers(model):
    """Returns the layers, of functional models nested in it theirs."""
    inner = (_layers(one) if _is_functional(one) else [one] for one in model.layers)
    return list(itertools.chain.from_iterable(inner))


def _is_functional(layer):
    return isinstance(layer, keras.Model) and "output_layers" in layer.get_config()


def _pairs(model):
    """Returns the convolutions with the batch norms that can be folded into them."""
    if not _is_functional(model):
        return []
    config = model.get_config()
    calls = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
    sources = {name: list(_sources(nodes)) for name, nodes in calls.items()}
    taken = collections.Counter(itertools.chain.from_iterable(sources.values()))
    taken.update(keras.tree.flatten(config["output_layers"]))
    pairs = []
    for norm in model.layers:
        before = sources[norm.name]
        alone = len(before) == 1 and len(calls[before[0]]) == 1 and taken[before[0]] == 1
        if alone and _normalises(norm) and _convolves(model.get_layer(before[0])):
            pairs.append((model.get_layer(before[0]), norm))
    return pairs + [pair for layer in model.layers for pair in _pairs(layer)]


def _convolves(layer):
    """Returns whether a layer convolves, channels last, and does nothing else."""
    return (
        isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and layer.data_format == "channels_last"
        and layer.activation is keras.activations.linear
    )


def _normalises(layer):
    """Returns whether a layer is a batch norm of channels that come last, with gamma and beta."""
    return (
        isinstance(layer, BatchNormalization)
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not layer.renorm
    )


def _sources(config):
    """Yields the name of the layer of each tensor that is named in a part of a config."""
    if isinstance(config, dict):
        if config.get("class_name") == "__keras_tensor__":
            yield config["config"]["keras_history"][0]
        else:
            yield from _sources(list(config.values()))
    elif isinstance(config, list | tuple):
        for part in config:
            yield from _sources(part)


def _folded_weights(convolution, norm):
    """Returns the kernel of the convolution and the bias that stands for the batch norm."""
    kernel, *biases = (np.float64(one) for one in convolution.get_weights())
    gamma, beta, mean, variance = (np.float64(one) for one in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        kernel = kernel * scale.reshape(kernel.shape[2:])  # [height, width, channels, multiplier]
    else:
        kernel = kernel * scale  # [height, width, inputs, outputs]
    return kernel, (sum(biases) - mean) * scale + beta
