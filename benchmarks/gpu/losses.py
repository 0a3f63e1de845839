"""Every loss and its gradient in three precisions, against float64 on the CPU.

  KERAS_BACKEND=jax python -m benchmarks.gpu.losses

The logits are rounded to the precision first, so that both compute from the same numbers. A
difference is relative to the value, or to 1e-30 where that is larger; for a gradient, which has the
precision of its logits, to the largest of its example, or in float16 to its smallest normal number.
"""

import functools

import keras
import numpy as np
import rich.console
import rich.table
from absl import app
from absl import flags as absl_flags
from keras import ops

from benchmarks.gpu import backend
from tfcovid.losses import cross_entropy, focal

EXAMPLES = absl_flags.DEFINE_integer("examples", 100_000, "Examples of each loss.")
OUTPUTS = 4
SCALES = {"usual": 3.0, "far out": 100.0}
"""Standard deviations of the logits: of a trained network, and of one that diverges."""

LOSSES = {
    "softmax cross-entropy": cross_entropy.softmax_cross_entropy,
    "softmax focal, gamma 2": functools.partial(focal.softmax_focal_loss, gamma=2.0),
    "softmax focal, gamma 0.5": functools.partial(focal.softmax_focal_loss, gamma=0.5),
    "sigmoid cross-entropy": cross_entropy.sigmoid_cross_entropy,
    "sigmoid focal, gamma 2": functools.partial(focal.sigmoid_focal_loss, gamma=2.0),
    "sigmoid focal, gamma 0.5": functools.partial(focal.sigmoid_focal_loss, gamma=0.5),
}
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Distance of 1 from the next number."""

SMALLEST = {"float32": 1e-30, "float16": 2.0**-14, "bfloat16": 1e-30}
"""The gradient from which on the precision keeps all its digits, with room in float32."""


def differences(name: str, dtype: str, scale: float, examples: int) -> tuple[float, float, bool]:
    """Returns the largest relative differences of value and gradient, and if all are finite."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, scale, (examples, OUTPUTS))
    if name.startswith("softmax"):
        labels = np.eye(OUTPUTS)[rng.integers(0, OUTPUTS, examples)]
    else:
        labels = rng.integers(0, 2, logits.shape).astype(np.float64)
    logits = ops.cast(ops.convert_to_tensor(logits, "float32"), dtype)
    rounded = np.asarray(ops.convert_to_numpy(ops.cast(logits, "float32")), np.float64)
    loss = functools.partial(LOSSES[name], labels)
    value, gradient = backend.value_and_gradient(loss, logits)
    with backend.on("cpu"):
        exact = backend.value_and_gradient(loss, ops.convert_to_tensor(rounded, "float64"))
    value, gradient = value.astype(np.float64), gradient.astype(np.float64)
    size = np.abs(exact[1]).max(axis=-1, keepdims=True)
    return (
        float((np.abs(value - exact[0]) / np.maximum(np.abs(exact[0]), SMALLEST["float32"])).max()),
        float((np.abs(gradient - exact[1]) / np.maximum(size, SMALLEST[dtype])).max()),
        bool(np.isfinite(value).all() and np.isfinite(gradient).all()),
    )


def main(_: list[str]) -> None:
    """Prints a line for each loss, precision and scale."""
    backend.allow_float64()
    table = rich.table.Table(
        title=f"{EXAMPLES.value:,} examples on {backend.name_of_the_accelerator()}, Keras on "
        f"{keras.backend.backend()}, against float64 on the CPU"
    )
    for heading in ("loss", "logits", "precision", "value", "gradient", "its epsilon", "finite"):
        table.add_column(heading)
    for name in LOSSES:
        for logits, scale in SCALES.items():
            for dtype, epsilon in EPSILON.items():
                value, gradient, finite = differences(name, dtype, scale, EXAMPLES.value)
                row = (name, logits, dtype, f"{value:.1e}", f"{gradient:.1e}", f"{epsilon:.1e}")
                table.add_row(*row, "yes" if finite else "NO")
    rich.console.Console(width=120).print(table)


if __name__ == "__main__":
    app.run(main)
