"""Runs the source network and the Keras one on the same images and says how far they differ.

The source network is run under the names of the checkpoint (`reference/`), so a tensor that a name
table puts in the wrong place shows. In inference mode float32 is compared, which is what users
run. In training mode float32 is too coarse (a ResNet50 in float32 and in float64 differs by 1e-2 in
the gradients of its batch norms), so both networks compute in float64.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage

from weights_conversion.channels import adapt_input
from weights_conversion.expected_input import ExpectedInput
from weights_conversion.keras_network import variables_by_name
from weights_conversion.namings import Naming
from weights_conversion.reference.numpy_ops import NumpyOps

INFERENCE_LIMIT = 1e-5
TRAINING_LIMIT = 1e-9

# Even sides tell symmetric padding from Keras' 'same', odd ones how halves are rounded; not square,
# so that height and width cannot change places.
BATCHES = ((2, 64, 96), (2, 75, 107))

_MOMENTUM = 0.9
LOGITS = "logits"
GRADIENTS = "gradients"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far two results are apart.

    Attributes:
      mode: what was run and looked at: "inference, float32, 64x96 px", "training, …" after a stage;
        "gradients, …", "moving statistics, …" of a batch norm.
      stage: after which stage, or of which batch norm.
      difference: norm of the difference over norm of the source network's result.
      limit: above which the conversion is refused.
    """

    mode: str
    stage: str
    difference: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the limit; one that is no number is not."""
        return self.difference <= self.limit


@dataclasses.dataclass(frozen=True)
class Source:
    """The source network.

    Attributes:
      naming: how it names its tensors and what it computes.
      tensors: name without prefix -> array, those of the network and of the head that is kept.
      head: name of the head's layer in tensors, or None.
      expected: the input it was trained on.
    """

    naming: Naming
    tensors: Mapping[str, np.ndarray]
    head: str | None
    expected: ExpectedInput

    def run(self, ops, images: np.ndarray) -> Iterator[tuple[str, object]]:
        """Yields (stage, result of ops) for every stage, and for the logits where there is a head.

        Args:
          ops: `TorchOps` or `NumpyOps` with the tensors.
          images: float32 [batch, height, width, channels].
        """
        stage, x = "", None
        for stage, x in self.naming.network(ops, ops.images(images)):
            yield stage, x
        if self.head is not None:
            yield LOGITS, ops.linear(self.head, ops.global_average(x))


def prove(source: Source, model: keras.Model, double: keras.Model) -> Iterator[Comparison]:
    """Yields every comparison, as PyTorch computes the source network.

    Args:
      source: the source network.
      model: what it became, float32, see `keras_network.build_network`.
      double: the same in float64, unrounded; its moving statistics change.
    """
    import torch

    from weights_conversion.reference.torch_ops import TorchOps

    ops = TorchOps(source.tensors)
    with torch.no_grad():
        yield from _inference(source, model, ops)
    yield from _training(source, double, TorchOps)


def prove_partly(source: Source, model: keras.Model) -> Iterator[Comparison]:
    """Yields the comparisons that need no PyTorch: inference, the source in float64 NumPy."""
    yield from _inference(source, model, NumpyOps(source.tensors))


def refuse_difference(comparisons: Iterable[Comparison]) -> None:
    """Raises ValueError if a comparison does not hold; it says where the networks part."""
    before = ""
    for comparison in comparisons:
        if not comparison.holds:
            equal = f", equal up to {before}" if before else ""
            raise ValueError(
                "the Keras network is not the source network: they differ by "
                f"{comparison.difference:.1e} (limit {comparison.limit:.0e}) at "
                f"{comparison.stage}{equal}; {comparison.mode}"
            )
        before = comparison.stage


def summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """Returns the largest difference of each mode and how much was compared, for JSON."""
    largest: dict[str, float] = {}
    count = 0
    for count, comparison in enumerate(comparisons, start=1):  # noqa: B007
        kind = comparison.mode.split(",")[0]
        largest[kind] = max(largest.get(kind, 0.0), comparison.difference)
    return {
        "largest_relative_difference": largest,
        "limits": {"inference": INFERENCE_LIMIT, "training": TRAINING_LIMIT},
        "comparisons": count,
    }


def proof_images(shape: tuple[int, int, int], expected: ExpectedInput, channels: int, seed: int):
    """Returns random images in the range of the network, gray where one side is.

    A smooth field and noise, different in every image and, for two networks of three channels, in
    every channel.

    Args:
      shape: (batch, height, width).
      expected: of the source network.
      channels: of the Keras network.
      seed: of the images.

    Returns:
      Two float32 arrays [batch, height, width, channels], for the source and for the Keras network.
    """
    rng = np.random.default_rng(seed)
    planes = expected.channels if expected.channels == channels else 1
    zoom = (1, shape[1] / 4, shape[2] / 5, 1)
    smooth = ndimage.zoom(rng.random((shape[0], 4, 5, planes)), zoom, order=1)
    unit = 0.8 * smooth + 0.2 * rng.random(smooth.shape)
    # Under a common mean and std where the number of channels changes: see `channels`.
    common = adapt_input(adapt_input(expected, channels), expected.channels)
    if planes != expected.channels:
        unit = np.repeat(unit, expected.channels, axis=-1)
    value = common.low + unit * (common.high - common.low)
    images = ((value - np.array(common.mean)) / np.array(common.std)).astype(np.float32)
    if expected.channels == channels:
        return images, images
    return images, np.repeat(images[..., :1], channels, axis=-1)


def _inference(source, model, ops):
    channels = model.input_shape[-1]
    for seed, shape in enumerate(BATCHES):
        mode = f"inference, float32, {shape[1]}x{shape[2]} px"
        theirs, ours = proof_images(shape, source.expected, channels, seed)
        outputs = model(ours, training=False)
        for (stage, result), output in zip(source.run(ops, theirs), outputs, strict=True):
            difference = _difference(_array(output), ops.to_numpy(result))
            yield Comparison(mode, stage, difference, INFERENCE_LIMIT)
    unused = set(source.tensors) - ops.used
    if unused:
        raise ValueError(f"tensors that the source network does not use: {sorted(unused)[:3]}")


def _training(source, model, torch_ops):
    import torch

    table = source.naming.table
    shape = BATCHES[0]
    settings = f"float64, {shape[1]}x{shape[2]} px"
    variables = variables_by_name(model)
    before = {name: _array(variable) for name, variable in variables.items()}
    theirs, ours = proof_images(shape, source.expected, model.input_shape[-1], len(BATCHES))
    ops = torch_ops(source.tensors, dtype=torch.float64, training=True)
    results = list(source.run(ops, theirs))
    direction = np.random.default_rng(0).normal(size=ops.to_numpy(results[-1][1]).shape)
    with tf.GradientTape() as tape:
        outputs = model(ours, training=True)
        value = tf.reduce_sum(outputs[-1] * direction)
    for (stage, result), output in zip(results, outputs, strict=True):
        difference = _difference(_array(output), ops.to_numpy(result))
        yield Comparison(f"training, {settings}", stage, difference, TRAINING_LIMIT)
    last = results[-1][1]
    torch_direction = direction.transpose(0, 3, 1, 2) if direction.ndim == 4 else direction
    (last * torch.from_numpy(torch_direction)).sum().backward()
    gradients = {
        name: gradient
        for name, gradient in zip(
            variables, tape.gradient(value, [v.value for v in variables.values()]), strict=True
        )
        if gradient is not None
    }
    for norm in ops.batch_sizes:
        pairs = [
            (_array(gradients[table[name].variable]), ops.tensors[name].grad.numpy())
            for name in (f"{norm}.weight", f"{norm}.bias")
        ]
        yield Comparison(f"{GRADIENTS}, {settings}", norm, _joint_difference(pairs), TRAINING_LIMIT)
    moved = {name: _array(variable) for name, variable in variables.items()}
    for norm, count in ops.batch_sizes.items():
        pairs = _statistics(ops, norm, count, table, before, moved)
        difference = _joint_difference(pairs)
        yield Comparison(f"moving statistics, {settings}", norm, difference, TRAINING_LIMIT)


def _statistics(ops, norm, count, table, before, moved):
    """Returns pairs (Keras, PyTorch) of the moved statistics, the variance over n in both.

    PyTorch moves the running variance by the batch's over n - 1, Keras by the one over n.
    """
    mean, variance = (table[f"{norm}.running_{kind}"].variable for kind in ("mean", "var"))
    kept = _MOMENTUM * before[variance]
    theirs = ops.tensors[f"{norm}.running_var"].numpy()
    return [
        (moved[mean], ops.tensors[f"{norm}.running_mean"].numpy()),
        (moved[variance], kept + (theirs - kept) * (count - 1) / count),
    ]


def _difference(ours, theirs):
    return _joint_difference([(ours, theirs)])


def _joint_difference(pairs):
    """Returns the norm of all differences over the norm of all of PyTorch's values."""
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return math.inf
    ours = np.concatenate([np.ravel(pair[0]) for pair in pairs])
    theirs = np.concatenate([np.ravel(pair[1]) for pair in pairs])
    norm = float(np.linalg.norm(theirs.astype(np.float64)))
    difference = float(np.linalg.norm(ours.astype(np.float64) - theirs))
    return difference / norm if norm > 0 else (0.0 if difference == 0 else math.inf)


def _array(value):
    return keras.ops.convert_to_numpy(value)
