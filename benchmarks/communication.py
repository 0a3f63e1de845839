"""What workers that share a batch send each other in a step, and how long that takes at least.

    python -m benchmarks.communication --workers=4 --gigabits=10,25,100,400

Each step adds up the gradients of all weights, float32 whatever the precision, and for batch
normalisation over the whole batch two sums a channel, forwards and backwards. In a ring each worker
sends 2 (N - 1) / N of that. No overlap with the arithmetic is counted, and no latency.
"""

import keras
import rich.table
from absl import app
from absl import flags as absl_flags

from tfcovid.console import open_console
from tfcovid.models.backbones import BACKBONES
from tfcovid.models.classifier import build_classifier

WORKERS = absl_flags.DEFINE_integer("workers", 4, "Processes of one GPU or CPU each.")
GIGABITS = absl_flags.DEFINE_list("gigabits", ["10", "25", "100", "400"], "Gb/s of a worker.")
NETWORKS = absl_flags.DEFINE_list(
    "backbones",
    ["mobilenet_v2", "densenet121", "resnet18", "resnet50", "resnet101", "vgg19"],
    "Networks.",
)
_BYTES = 4


def bytes_of(model):
    """Returns the bytes of gradients and of batch norms' sums that one step adds up."""
    gradients = sum(variable.shape.num_elements() for variable in values_of(model))
    layers = model._flatten_layers()
    norms = [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    channels = sum(one.gamma.shape[0] for one in norms)
    # Two sums a channel, their count, and the gradients of the two on the way back.
    return _BYTES * gradients, _BYTES * (4 * channels + len(norms))


def values_of(model):
    """Returns TensorFlow's variables of the trainable weights."""
    return [one.value for one in model.trainable_variables]


def main(_: list[str]) -> None:
    """Prints the table."""
    share = 2 * (WORKERS.value - 1) / WORKERS.value
    speeds = [float(speed) for speed in GIGABITS.value]
    table = rich.table.Table(
        *("network", "weights", "gradients", "batch norms"),
        *(f"{speed:g} Gb/s" for speed in speeds),
        title=f"{WORKERS.value} workers, milliseconds a step",
    )
    for name in NETWORKS.value:
        if name not in BACKBONES:
            raise app.UsageError(f"--backbones={name}: expected of {', '.join(BACKBONES)}")
        model = build_classifier(backbone=name, num_outputs=3, image_size=224, channels=1)
        gradients, sums = bytes_of(model)
        times = [1e3 * 8 * share * (gradients + sums) / (speed * 1e9) for speed in speeds]
        table.add_row(
            *(
                name,
                f"{model.count_params():,}",
                f"{gradients / 1e6:.1f} MB",
                f"{sums / 1e3:.0f} kB",
            ),
            *(f"{time:.1f}" for time in times),
        )
    open_console().print(table)


if __name__ == "__main__":
    app.run(main)
