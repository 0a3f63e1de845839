"""Class activation maps by gradients, as TensorFlow operations.

They are drawn from the feature map that the architecture names (`layers.heat_map_here`), and run in
a graph as well as eagerly: what a SavedModel draws is what training drew.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfcovid.models.boosted_trees import BoostedTrees
from tfcovid.models.classifier import HEAD_LAYER
from tfcovid.models.ensemble import members_of
from tfcovid.models.layers import HEAT_LAYER


def _grad_cam(feature_map, gradient):
    weights = tf.reduce_mean(gradient, axis=[1, 2], keepdims=True)
    return tf.reduce_sum(weights * feature_map, axis=-1)


def _hires_cam(feature_map, gradient):
    return tf.reduce_sum(gradient * feature_map, axis=-1)


def _layer_cam(feature_map, gradient):
    return tf.reduce_sum(tf.nn.relu(gradient) * feature_map, axis=-1)


METHODS: dict[str, Callable] = {
    "layer_cam": _layer_cam,
    "hires_cam": _hires_cam,
    "grad_cam": _grad_cam,
}
"""Of a feature map and a class's gradient by it, both [batch, height, width, channels], the
evidence for the class at each place, [batch, height, width], signed.

Source: Jiang et al. 2021, IEEE TIP 30, doi 10.1109/TIP.2021.3089943, eq. 4 and 5 (LayerCAM);
Draelos & Carin 2020, arXiv:2011.08891 (HiResCAM); Selvaraju et al. 2017, arXiv:1610.02391, eq. 1
and 2 (Grad-CAM); each before its last ReLU.
"""


def has_heat_maps(model):
    """Returns whether a classifier has a feature map that a gradient of its logits reaches.

    Boosted trees are step functions and transformers give tokens: they have none. An ensemble has
    one where a member has.

    Args:
      model: a classifier: a backbone with a head, or an ensemble.
    """
    return any(_is_drawn(part) for _, part in _parts(model))


def feature_maps(model, inputs):
    """Returns the map that heat is drawn from, of each single classifier of the model.

    Args:
      model: a classifier, or an ensemble of several.
      inputs: its input, float32 [batch, size, size, channels].

    Returns:
      List of [batch, height, width, channels], of a transformer [batch, tokens, features].
    """
    return [_split(part)[0](to_input(inputs)) for to_input, part in _parts(model)]


def logits_of(model, maps):
    """Returns what the rest of the model, of an ensemble its combination too, makes of the maps.

    Args:
      model: as there.
      maps: its `feature_maps` of images.

    Returns:
      float32 [batch, num_outputs]: with those of an image, the model's own logits of it.
    """
    logits = [
        _behind(part, _split(part)[1](feature_map))
        for (_, part), feature_map in zip(_parts(model), maps, strict=True)
    ]
    if not members_of(model):
        return logits[0]
    return model.get_layer(HEAD_LAYER)(tf.stack(logits, axis=1))


def class_heat_maps(model, maps, *, size, method="layer_cam"):
    """Returns the logits of images, and where on them the evidence for each class lies.

    Of an ensemble the evidence of its members is added, as the gradient of the ensemble's own
    logits weighs it; a member without a map adds none.

    Args:
      model: a classifier with `has_heat_maps`, computing in float32.
      maps: its `feature_maps` of the images.
      size: side of the heat maps, px.
      method: a key of METHODS.

    Returns:
      Logits, float32 [batch, num_outputs], and heat maps, float32 [batch, num_classes, size, size]:
      at least 0, the largest value of each map 1, or all 0 where nothing on the image speaks for
      the class. A single output is two classes, the first of which has the negated logit.

    Raises:
      ValueError: if the method is unknown, or the model has no heat maps.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: {method!r}")
    if not has_heat_maps(model):
        raise ValueError(
            "the model has no heat maps: expected a convolutional backbone under a head that has "
            "gradients, found boosted trees or a transformer"
        )
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        logits = logits_of(model, maps)
        columns = tf.unstack(logits, axis=-1)
        scores = columns if columns[1:] else [-columns[0], columns[0]]
    drawn = [m for m, (_, part) in zip(maps, _parts(model), strict=True) if _is_drawn(part)]
    evidence = [
        tf.add_n(
            [
                _at_size(METHODS[method](feature_map, gradient), size)
                for feature_map, gradient in zip(drawn, tape.gradient(score, drawn), strict=True)
            ]
        )
        for score in scores
    ]
    del tape
    return logits, _scaled(tf.stack(evidence, axis=1))


def _parts(model):
    """Returns what makes the input of each single classifier in the model, and the classifier."""
    return members_of(model) or [(lambda inputs: inputs, model)]


def _is_drawn(part):
    trees = isinstance(part.get_layer(HEAD_LAYER), BoostedTrees)
    return not trees and len(part.get_layer("backbone").output_shape) == 4


def _split(part):
    """Returns the backbone up to the map that heat is drawn from, and from there on.

    One that names no map, such as a transformer, or was saved before they did, gives its output.
    """
    backbone = part.get_layer("backbone")
    if HEAT_LAYER not in {layer.name for layer in backbone.layers}:
        return backbone, lambda x: x
    drawn = backbone.get_layer(HEAT_LAYER).output
    return keras.Model(backbone.inputs[0], drawn), keras.Model(drawn, backbone.outputs[0])


def _behind(part, x):
    """Returns what the layers behind the backbone, each of which feeds the next, make of x."""
    names = [layer.name for layer in part.layers]
    for layer in part.layers[names.index("backbone") + 1 :]:
        x = layer(x)
    return x


def _at_size(evidence, size):
    return tf.image.resize(evidence[..., None], [size, size], method="bilinear")[..., 0]


def _scaled(evidence):
    """Returns the positive part, its largest value 1 in each map that has any."""
    positive = tf.nn.relu(evidence)
    largest = tf.reduce_max(positive, axis=[2, 3], keepdims=True)
    return tf.math.divide_no_nan(positive, largest)
