"""How many wrong conversions the proof catches: swapped entries, shifted paddings, other strides.

    python -m benchmarks.conversion_faults --pairs=300

Takes a checkpoint of each architecture (torchvision's names, random weights and randomised
batch-norm statistics), converts it, makes it wrong in one place at a time and runs the
comparisons of inference mode. Pairs of same-shaped entries of the name table are drawn at
random, or all of them where there are fewer than --pairs. Prints a table in Markdown.
"""

import itertools
import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from weights_conversion import keras_network
from weights_conversion.conversion import build, source_network
from weights_conversion.plan import Wishes, make_plan
from weights_conversion.proof.inference import compare_inference
from weights_conversion.reading.checkpoint import read_checkpoint
from weights_conversion.reference.torch_ops import TorchOps

FOLDER = absl_flags.DEFINE_string(
    "folder", "runs/peers", "Checkpoints, as `benchmarks/conversion_peers.py --make` writes them."
)
PAIRS = absl_flags.DEFINE_integer("pairs", 300, "Swapped pairs an architecture.", lower_bound=1)

ARCHITECTURES = ("resnet18", "resnet50", "densenet121", "mobilenet_v2")


def passes(plan, model):
    """Returns whether every comparison holds; stops at the first that does not."""
    source = source_network(plan)
    comparisons = compare_inference(source, model, TorchOps(source.tensors))
    try:
        return all(comparison.holds for comparison in comparisons)
    except (ValueError, tf.errors.InvalidArgumentError):  # feature maps no longer fit together
        return False


def same_shaped_pairs(values, count):
    """Returns pairs of variables of one shape, all or as many as asked for, and how many exist."""
    by_shape = {}
    for name in sorted(values):
        by_shape.setdefault(values[name].shape, []).append(name)
    pairs = [pair for names in by_shape.values() for pair in itertools.combinations(names, 2)]
    order = np.random.default_rng(0).permutation(len(pairs))[:count]
    return [pairs[index] for index in order], len(pairs)


def swapped(plan, converted, pairs):
    """Returns the pairs whose swap passes."""
    variables = keras_network.variables_by_name(converted.model)
    values = keras_network.values_by_name(converted.model)
    missed = []
    for first, second in pairs:
        variables[first].assign(values[second])
        variables[second].assign(values[first])
        if passes(plan, converted.model):
            missed.append((first, second))
        variables[first].assign(values[first])
        variables[second].assign(values[second])
    return missed


def changed_layers(model):
    """Yields (layer, change of its config): each explicit padding shifted, each stride changed."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            yield layer.name, shift_padding
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            yield layer.name, change_stride


def shift_padding(config):
    """Pads as Keras' 'same' does for even sides: one less before, one more behind."""
    (top, bottom), (left, right) = config["padding"]
    config["padding"] = ((top - 1, bottom + 1), (left - 1, right + 1))


def change_stride(config):
    """Makes a stride of 1 one of 2 and the other way round."""
    config["strides"] = (3 - config["strides"][0],) * 2


def with_change(model, layer_name, change):
    """Returns the model with one layer changed."""
    config = model.get_config()
    (entry,) = [entry for entry in config["layers"] if entry["name"] == layer_name]
    change(entry["config"])
    changed = keras.Model.from_config(config)
    changed.set_weights(model.get_weights())
    return changed


def main(_):
    print("| network | same-shaped pairs | swapped | caught | paddings and strides | caught |")
    print("|---|---|---|---|---|---|")
    for architecture in ARCHITECTURES:
        checkpoint = read_checkpoint(pathlib.Path(FOLDER.value) / f"{architecture}.pth")
        plan = make_plan(checkpoint, Wishes())
        converted = build(plan, [])
        if not passes(plan, converted.model):
            raise SystemExit(f"{architecture}: the right network does not pass")
        pairs, count = same_shaped_pairs(converted.values, PAIRS.value)
        missed = swapped(plan, converted, pairs)
        changes = list(changed_layers(converted.model))
        passed = [
            f"{change.__name__} of {layer}"
            for layer, change in changes
            if passes(plan, with_change(converted.model, layer, change))
        ]
        print(
            f"| {architecture} | {count:,} | {len(pairs)} | {len(pairs) - len(missed)} "
            f"| {len(changes)} | {len(changes) - len(passed)} |"
        )
        for fault in [*missed, *passed]:
            print(f"missed in {architecture}: {fault}")


if __name__ == "__main__":
    app.run(main)
