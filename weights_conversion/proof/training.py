"""Training mode: one step's outputs, gradients and moving statistics, in float64."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
import torch

from weights_conversion.keras_network import values_by_name, variables_by_name
from weights_conversion.proof.comparison import (
    GRADIENTS,
    TRAINING_LIMIT,
    Comparison,
    relative_difference,
)
from weights_conversion.proof.images import batches, proof_images
from weights_conversion.proof.source import Source
from weights_conversion.reference.torch_ops import TorchOps

_SEED = 2  # other images than those of inference
_KEPT = 0.9  # of a moving statistic at each step


def compare_training(source: Source, model: keras.Model) -> Iterator[Comparison]:
    """Yields a comparison after each stage, and of each batch norm and bias, for one training step.

    The loss is a random linear function of the last output.

    Args:
      source: the source network.
      model: the Keras network, float64; its moving statistics change.
    """
    batch = batches(source.naming.architecture)[0]
    settings = f"float64, {batch[1]}x{batch[2]} px"
    theirs, ours = proof_images(batch, source.expected, model.input_shape[-1], _SEED)
    variables = variables_by_name(model)
    before = values_by_name(model)
    ops = TorchOps(source.tensors, dtype=torch.float64, training=True)
    results = list(source.run(ops, theirs))
    direction = np.random.default_rng(0).normal(size=ops.to_numpy(results[-1][1]).shape)
    ops.backward(results[-1][1], direction)
    with tf.GradientTape() as tape:
        outputs = model(ours, training=True)
        loss = tf.reduce_sum(outputs[-1] * direction)
    gradients = dict(
        zip(variables, tape.gradient(loss, [v.value for v in variables.values()]), strict=True)
    )
    for (stage, result), output in zip(results, outputs, strict=True):
        pair = (keras.ops.convert_to_numpy(output), ops.to_numpy(result))
        yield _comparison("training", settings, stage, [pair])
    vectors = {norm: (f"{norm}.weight", f"{norm}.bias") for norm in ops.batch_sizes}
    vectors |= {layer: (f"{layer}.bias",) for layer in ops.biased}
    for layer, names in vectors.items():
        pairs = [
            (
                keras.ops.convert_to_numpy(gradients[source.naming.table[name].variable]),
                ops.gradient(name),
            )
            for name in names
        ]
        yield _comparison(GRADIENTS, settings, layer, pairs)
    after = values_by_name(model)
    for norm in ops.batch_sizes:
        pairs = _statistics(source, ops, norm, before, after)
        yield _comparison("moving statistics", settings, norm, pairs)


def _statistics(source, ops, norm, before, after):
    """Returns pairs (Keras, PyTorch) of the moved statistics, the variance over n in both.

    PyTorch moves the running variance by the batch's over n - 1, Keras by the one over n.
    """
    table, count = source.naming.table, ops.batch_sizes[norm]
    mean, variance = (table[f"{norm}.running_{kind}"].variable for kind in ("mean", "var"))
    kept = _KEPT * before[variance]
    theirs = ops.tensors[f"{norm}.running_var"].numpy()
    return [
        (after[mean], ops.tensors[f"{norm}.running_mean"].numpy()),
        (after[variance], kept + (theirs - kept) * (count - 1) / count),
    ]


def _comparison(what, settings, stage, pairs):
    return Comparison(f"{what}, {settings}", stage, relative_difference(pairs), TRAINING_LIMIT)
