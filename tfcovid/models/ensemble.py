"""Several classifiers as one: a model from an image to the logits of all its members together.

An ensemble is a network like any other, so that calibration, decision, controls, report and the
SavedModel know nothing of it. What combines the members is its head.
"""

import math

import keras
import numpy as np
from keras import ops

from tfcovid.models.classifier import HEAD_LAYER, in_precision
from tfcovid.models.layers import image_input

MEMBER_LOGITS = "logits_of_members"
"""Name of the layer that gives what the head of an ensemble sees, [batch, members, outputs]."""


@keras.saving.register_keras_serializable(package="tfcovid")
class GrayToInput(keras.layers.Layer):
    """Makes a member's own input of the gray image that all members share.

    A gray value x in 0..1 becomes x * scale + offset in each channel: with the fields of an input
    contract, scale is (high - low) / std and offset (low - mean) / std.

    Args:
      scale: factor of each channel, finite floats [channels].
      offset: what is then added, likewise.
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.

    Raises:
      ValueError: if the two are not finite numbers, as many of each and at least one.
    """

    def __init__(self, scale, offset, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.scale, self.offset = [float(x) for x in scale], [float(x) for x in offset]
        finite = np.isfinite([*self.scale, *self.offset]).all()
        if not (self.scale and len(self.scale) == len(self.offset) and finite):
            raise ValueError(
                "scale and offset must be finite, with a number for each channel. "
                f"Received: scale={self.scale}, offset={self.offset}"
            )

    def call(self, gray):
        """Returns [batch, height, width, channels] of gray values [batch, height, width, 1]."""
        scale, offset = (ops.convert_to_tensor(x, gray.dtype) for x in (self.scale, self.offset))
        return gray * scale + offset

    def compute_output_shape(self, input_shape):
        """Returns (batch, height, width, channels)."""
        return (*input_shape[:-1], len(self.scale))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


class _Combination(keras.layers.Layer):
    """What turns the members' logits [batch, members, outputs] into logits [batch, outputs]."""

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def compute_output_shape(self, input_shape):
        """Returns (batch, outputs)."""
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package="tfcovid")
class MeanProbability(_Combination):
    """Gives the logits of the mean of the members' probabilities, computed in log space.

    With several outputs these are log probabilities, with one the log odds of the second class.
    Log space keeps the gradient alive where every member is sure, and the logits finite.

    Args:
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.
    """

    def call(self, logits):
        """Returns [batch, outputs] of logits [batch, members, outputs]."""
        if logits.shape[-1] > 1:
            of_members = ops.log_softmax(logits, axis=-1)
            return ops.logsumexp(of_members, axis=1) - math.log(logits.shape[1])
        yes, no = (ops.logsumexp(ops.log_sigmoid(x), axis=1) for x in (logits, -logits))
        return yes - no


@keras.saving.register_keras_serializable(package="tfcovid")
class StackedLogits(_Combination):
    """Gives logits that are linear in the members' log probabilities: multinomial stacking.

    Of a single output the log odds take the place of the log probabilities. As it is built the
    kernel averages over the members: the normalised geometric mean of their probabilities.

    Args:
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.

    Source: Wolpert 1992, Neural Networks 5(2), stacked generalisation.
    """

    def build(self, input_shape):
        """Creates kernel [members * outputs, outputs] and bias [outputs]."""
        _, members, outputs = input_shape
        mean = np.tile(np.eye(outputs), (members, 1)) / members
        self.kernel = self.add_weight(
            shape=mean.shape,
            initializer=lambda shape, dtype: ops.cast(mean, dtype),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")

    def call(self, logits):
        """Returns [batch, outputs] of logits [batch, members, outputs]."""
        _, members, outputs = logits.shape
        features = ops.log_softmax(logits, axis=-1) if outputs > 1 else logits
        return ops.matmul(ops.reshape(features, (-1, members * outputs)), self.kernel) + self.bias


@keras.saving.register_keras_serializable(package="tfcovid")
class WeightedMembers(_Combination):
    """Weighs the members image by image, by what they predict: the ensemble of FLANNEL.

    f holds the probabilities of all members and classes; the logits are the sum over the members
    of w_m times the probabilities of m, with w = activation(kernel . vec(f f^T) + bias). A single
    output is both classes inside, and their difference outside.

    What is published (the authors' code): f of probabilities, f f^T, one dense layer to a weight
    a member, the weighted sum, which the loss then puts through a softmax; tanh in the script that
    trains, a softmax over the members in a variant beside it, which cannot give a class more than
    e times the odds of another. Chosen here: two classes by one output, and the start, at which
    all weights are equal and the decision is that of the mean probability. A reconstruction.

    Args:
      activation: 'tanh' or 'softmax'.
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.

    Raises:
      ValueError: if activation is neither.

    Source: Qiao et al. 2021, JAMIA 28(3), doi 10.1093/jamia/ocaa280; their code is
      github.com/qxiaobu/FLANNEL, `GENet` (tanh) and `FlannelNet` (softmax).
    """

    def __init__(self, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        if activation not in ("tanh", "softmax"):
            raise ValueError(
                f"activation must be 'tanh' or 'softmax'. Received: activation={activation!r}"
            )
        self.activation = activation

    def build(self, input_shape):
        """Creates kernel [(members * classes)^2, members] and bias [members]."""
        _, members, outputs = input_shape
        size = (members * max(2, outputs)) ** 2
        self.kernel = self.add_weight(shape=(size, members), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(members,), initializer="ones", name="bias")

    def call(self, logits):
        """Returns [batch, outputs] of logits [batch, members, outputs]."""
        _, members, outputs = logits.shape
        if outputs == 1:
            probs = ops.concatenate([ops.sigmoid(-logits), ops.sigmoid(logits)], axis=-1)
        else:
            probs = ops.softmax(logits, axis=-1)
        f = ops.reshape(probs, (-1, members * probs.shape[-1]))
        interaction = ops.reshape(f[:, :, None] * f[:, None, :], (-1, self.kernel.shape[0]))
        weights = ops.matmul(interaction, self.kernel) + self.bias
        weights = ops.tanh(weights) if self.activation == "tanh" else ops.softmax(weights, axis=-1)
        scores = ops.sum(weights[:, :, None] * probs, axis=1)
        return scores[:, 1:] - scores[:, :1] if outputs == 1 else scores

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "activation": self.activation}


def build_ensemble(members, *, inputs, combine, image_size, name="classifier"):
    """Returns one model of several classifiers, each behind its own input contract.

    The members are the nested models `member_0`, `member_1`, …, frozen; the layer MEMBER_LOGITS
    gives their logits [batch, members, outputs], and the head, `classifier.HEAD_LAYER`, combines
    them. Nothing is shared: members and combination are copied with their weights.

    Args:
      members: classifiers from images to float32 logits, all with as many outputs.
      inputs: (scale, offset) of each member, see `GrayToInput`.
      combine: a `MeanProbability`, `StackedLogits` or `WeightedMembers`; one that is not built
        yet starts as it is built.
      image_size: side of the square input, px.
      name: model name.

    Returns:
      Model from gray values in 0..1, float32 [batch, image_size, image_size, 1], to float32
      logits [batch, outputs].

    Raises:
      ValueError: if there is no member, an input is missing or has other channels than its member,
        or members differ in outputs or take another image size.
    """
    _check_members(members, inputs, image_size)
    gray = image_input(image_size, 1)
    logits = []
    for index, (member, (scale, offset)) in enumerate(zip(members, inputs, strict=True)):
        copy = in_precision(member, "float32", name=f"member_{index}")
        copy.trainable = False
        seen = GrayToInput(scale, offset, name=f"input_{index}")(gray)
        row = keras.layers.Reshape((1, copy.output_shape[-1]), dtype="float32", name=f"row_{index}")
        logits.append(row(copy(seen)))
    stacked = keras.layers.Concatenate(axis=1, dtype="float32", name=MEMBER_LOGITS)(logits)
    head = type(combine).from_config({**combine.get_config(), "name": HEAD_LAYER})
    model = keras.Model(gray, head(stacked), name=name)
    if combine.built:
        head.set_weights(combine.get_weights())
    return model


def members_of(model):
    """Returns the members of an ensemble, each with the layer that makes its input.

    Args:
      model: any classifier.

    Returns:
      Pairs of (`GrayToInput` layer, nested model) in order; none where it is no ensemble.
    """
    layers = {layer.name: layer for layer in model.layers}
    count = sum(layer.startswith("member_") for layer in layers)
    return [(layers[f"input_{i}"], layers[f"member_{i}"]) for i in range(count)]


def _check_members(members, inputs, image_size):
    if not members or len(members) != len(inputs):
        raise ValueError(
            "an ensemble needs members, and an input for each. "
            f"Received: {len(members)} members, {len(inputs)} inputs"
        )
    outputs = [member.output_shape[-1] for member in members]
    if len(set(outputs)) > 1:
        raise ValueError(f"members must have as many outputs each. Received: outputs={outputs}")
    for index, (member, (scale, _)) in enumerate(zip(members, inputs, strict=True)):
        _, side, _, channels = member.input_shape
        if channels != len(scale):
            raise ValueError(
                f"member {index} takes {channels} channels: expected as many numbers in its scale. "
                f"Received: scale={list(scale)}"
            )
        if side not in (None, image_size):
            raise ValueError(
                f"member {index} takes images of {side} px: expected all members to take those of "
                f"the ensemble. Received: image_size={image_size}"
            )
