"""Ways to make a converted network wrong in one place; the tests try some, the benchmark many."""

import itertools

import keras
import numpy as np

from weights_conversion import keras_network


def same_shaped_pairs(values, count):
    """Returns pairs of variables of one shape, all or `count` at random, and how many exist."""
    by_shape = {}
    for name in sorted(values):
        by_shape.setdefault(values[name].shape, []).append(name)
    pairs = [pair for names in by_shape.values() for pair in itertools.combinations(names, 2)]
    order = np.random.default_rng(0).permutation(len(pairs))[:count]
    return [pairs[index] for index in order], len(pairs)


def swap(model, first, second):
    """Exchanges what two variables hold."""
    variables = keras_network.variables_by_name(model)
    one, other = variables[first].numpy(), variables[second].numpy()
    variables[first].assign(other)
    variables[second].assign(one)


def changed_layers(model):
    """Yields (layer, change of its config): each explicit padding shifted, each stride changed.

    Left out: padding at the end only, and AlexNet's stride of 4.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D) and layer.padding[0][0]:
            yield layer.name, shift_padding
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) and (
            layer.strides[0] in (1, 2)
        ):
            yield layer.name, change_stride


def shift_padding(config):
    """Pads as Keras' 'same' does for even sides: one less before, one more behind."""
    (top, bottom), (left, right) = config["padding"]
    config["padding"] = ((top - 1, bottom + 1), (left - 1, right + 1))


def change_stride(config):
    """Makes a stride of 1 one of 2 and the other way round."""
    config["strides"] = (3 - config["strides"][0],) * 2


def with_change(model, *changes):
    """Returns the model with layers changed, the weights as they were.

    Args:
      model: a flat model.
      *changes: pairs (layer name, function that changes its config in place).
    """
    config = model.get_config()
    layers = {entry["name"]: entry["config"] for entry in config["layers"]}
    for layer_name, change in changes:
        change(layers[layer_name])
    changed = keras.Model.from_config(config)
    changed.set_weights(model.get_weights())
    return changed
