"""How many wrong conversions the proof catches: swapped entries, shifted paddings, other strides.

    python -m benchmarks.conversion_faults --pairs=300

Takes a checkpoint of each architecture (torchvision's names, random weights and randomised
batch-norm statistics), converts it, makes it wrong in one place at a time and runs the
comparisons of inference mode. Pairs of same-shaped entries of the name table are drawn at
random, or all of them where there are fewer than --pairs. Prints a table in Markdown.
"""

import pathlib

from absl import app
from absl import flags as absl_flags

from tests.weights_conversion import faults
from tests.weights_conversion.conversions import built, passes_inference

FOLDER = absl_flags.DEFINE_string(
    "folder", "runs/peers", "Checkpoints, as `benchmarks/conversion_peers.py --make` writes them."
)
PAIRS = absl_flags.DEFINE_integer("pairs", 300, "Swapped pairs an architecture.", lower_bound=1)

ARCHITECTURES = ("resnet18", "resnet50", "densenet121", "mobilenet_v2")


def swapped(plan, model, pairs):
    """Returns the pairs whose swap passes."""
    missed = []
    for pair in pairs:
        faults.swap(model, *pair)
        if passes_inference(plan, model):
            missed.append(pair)
        faults.swap(model, *pair)
    return missed


def main(_):
    print("| network | same-shaped pairs | swapped | caught | paddings and strides | caught |")
    print("|---|---|---|---|---|---|")
    for architecture in ARCHITECTURES:
        plan, converted = built(pathlib.Path(FOLDER.value) / f"{architecture}.pth")
        model = converted.model
        if not passes_inference(plan, model):
            raise SystemExit(f"{architecture}: the right network does not pass")
        pairs, count = faults.same_shaped_pairs(converted.values, PAIRS.value)
        missed = swapped(plan, model, pairs)
        changes = list(faults.changed_layers(model))
        passed = [
            f"{change.__name__} of {layer}"
            for layer, change in changes
            if passes_inference(plan, faults.with_change(model, (layer, change)))
        ]
        print(
            f"| {architecture} | {count:,} | {len(pairs)} | {len(pairs) - len(missed)} "
            f"| {len(changes)} | {len(changes) - len(passed)} |"
        )
        for fault in [*missed, *passed]:
            print(f"missed in {architecture}: {fault}")


if __name__ == "__main__":
    app.run(main)
