"""Inference mode: every stage and the logits, in float32."""

from collections.abc import Iterator

import keras

from weights_conversion.proof.comparison import INFERENCE_LIMIT, Comparison, relative_difference
from weights_conversion.proof.images import batches, own_and_common_images, proof_images
from weights_conversion.proof.source import Source

# Between two images; a network whose signal has all but died is still told from a dead one.
_SAME = 1e-12


def compare_inference(source: Source, model: keras.Model, ops) -> Iterator[Comparison]:
    """Yields a comparison after each stage, for each of two batches.

    Args:
      source: the source network.
      model: the Keras network, float32.
      ops: `TorchOps` or `NumpyOps` with the source's tensors.

    Raises:
      ValueError: if the source network gives every image the same features, or does not use one of
        its tensors.
    """
    channels = model.input_shape[-1]
    for seed, shape in enumerate(batches(source.naming.architecture)):
        mode = f"inference, float32, {shape[1]}x{shape[2]} px"
        theirs, ours = proof_images(shape, source.expected, channels, seed)
        outputs = model(ours, training=False)
        for (stage, result), output in zip(source.run(ops, theirs), outputs, strict=True):
            theirs_now = ops.to_numpy(result)
            difference = relative_difference([(keras.ops.convert_to_numpy(output), theirs_now)])
            yield Comparison(mode, stage, difference, INFERENCE_LIMIT)
        if relative_difference([(theirs_now[::-1], theirs_now)]) < _SAME:
            raise ValueError(
                "the source network gives every image the same features: it was never trained, or "
                "is empty, and agreement with it would prove nothing"
            )
    unused = set(source.tensors) - ops.used
    if unused:
        raise ValueError(f"tensors that the source network does not use: {sorted(unused)[:3]}")


def channel_shift(source: Source, ops) -> float:
    """Returns how far the features move when the channels get their averages of mean and std.

    Args:
      source: a source network of three channels.
      ops: `TorchOps` or `NumpyOps` with the source's tensors.

    Returns:
      Norm of the difference of the last feature maps over the norm under the own mean and std.
    """
    shape = batches(source.naming.architecture)[0]
    own, common = own_and_common_images(shape, source.expected)
    return relative_difference([(_last_map(source, ops, common), _last_map(source, ops, own))])


def _last_map(source, ops, images):
    *_, (_, features) = source.naming.network(ops, ops.images(images))
    return ops.to_numpy(features)
