"""One ResNet50 training step: what precision, fused batch norm and XLA each bring on this machine.

    python -m benchmarks.step_variants --image_size=64 --batch_size=32 --rounds=5

Every variant is built once, then all are timed in turn, round after round, so
that a busy machine slows them alike. Prints milliseconds a step (median, and
the spread over rounds) and the ratio to the first row.
"""

import contextlib
import time
from unittest import mock

import keras
import numpy as np
import rich.console
import rich.table
from absl import app
from absl import flags as absl_flags

from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.models import batch_norm
from tfcovid.models.classifier import build_classifier
from tfcovid.training.optimizer import build_optimizer

IMAGE_SIZE = absl_flags.DEFINE_integer("image_size", 64, "Side of the input, pixels.")
BATCH_SIZE = absl_flags.DEFINE_integer("batch_size", 32, "Images a step.")
ROUNDS = absl_flags.DEFINE_integer("rounds", 5, "How often each variant is timed.")
STEPS = absl_flags.DEFINE_integer("steps", 4, "Steps a round.")
BACKBONE = absl_flags.DEFINE_string("backbone", "resnet50", "The network.")

# Name, precision, fused batch norm, XLA.
VARIANTS = (
    ("float32, Keras batch norm", "float32", False, False),
    ("float32", "float32", True, False),
    ("bfloat16, Keras batch norm", "mixed_bfloat16", False, False),
    ("bfloat16", "mixed_bfloat16", True, False),
    ("bfloat16, XLA", "mixed_bfloat16", True, True),
)


def build(precision, fused, jit_compile):
    """Returns a compiled classifier; without `fused` its batch norm is computed by Keras."""
    keras.mixed_precision.set_dtype_policy(precision)
    never = mock.patch.object(batch_norm.BatchNormalization, "_can_fuse", lambda *_: False)
    with contextlib.nullcontext() if fused else never:
        model = build_classifier(
            backbone=BACKBONE.value, num_outputs=3, image_size=IMAGE_SIZE.value, channels=1
        )
        model.compile(
            build_optimizer(
                learning_rate=1e-3,
                weight_decay=0.05,
                total_steps=10_000,
                warmup_steps=10,
                precision=precision,
                initial_loss_scale=1.0,
            ),
            loss=SoftmaxFocal(gamma=2.0, sparse=True),
            jit_compile=jit_compile,
        )
        images, labels = batch()
        for _ in range(2):  # trace, compile, warm up
            model.train_on_batch(images, labels)
    keras.mixed_precision.set_dtype_policy("float32")
    return model


def batch():
    rng = np.random.default_rng(0)
    size = IMAGE_SIZE.value
    images = rng.normal(size=(BATCH_SIZE.value, size, size, 1)).astype(np.float32)
    return images, rng.integers(0, 3, BATCH_SIZE.value)


def step_ms(model):
    images, labels = batch()
    start = time.perf_counter()
    for _ in range(STEPS.value):
        model.train_on_batch(images, labels)
    return (time.perf_counter() - start) / STEPS.value * 1000


def main(_):
    models = {name: build(*settings) for name, *settings in VARIANTS}
    times = {name: [] for name in models}
    for _ in range(ROUNDS.value):
        for name, model in models.items():
            times[name].append(step_ms(model))
    base = np.median(times[VARIANTS[0][0]])
    table = rich.table.Table(
        title=f"{BACKBONE.value}, {IMAGE_SIZE.value} px, batch {BATCH_SIZE.value}"
    )
    for column in ("variant", "ms a step", "spread", "images/s", "times the first"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, values in times.items():
        median = np.median(values)
        table.add_row(
            name,
            f"{median:.0f}",
            f"{min(values):.0f}-{max(values):.0f}",
            f"{1000 * BATCH_SIZE.value / median:.1f}",
            f"{base / median:.2f}",
        )
    rich.console.Console(width=100).print(table)


if __name__ == "__main__":
    app.run(main)
