"""MobileNetV2's strided depthwise layers: the cost of their input's gradient by precision.

    python -m benchmarks.depthwise

One thread, by its processor time, which a busy machine changes little. `ours` is that of
`tfcovid.models.depthwise`: computed in float32 from bfloat16 and rounded to it.
"""

import time

import numpy as np
import rich.table
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from tfcovid.console import open_console

BATCH = absl_flags.DEFINE_integer("batch_size", 4, "Images.")
REPEATS = absl_flags.DEFINE_integer("repeats", 5, "The fastest counts.")

# Side of the input and channels at 224 px.
LAYERS = ((112, 96), (56, 144), (28, 192), (14, 576))
BFLOAT16, FLOAT32, OURS = "bfloat16", "float32", "ours"


def gradient_of(shape, computed):
    """Returns the gradient of the input as a function of kernel and upstream gradient."""

    @tf.function
    def gradient(kernel, upstream):
        given = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=shape,
            filter=tf.cast(kernel, computed),
            out_backprop=tf.cast(upstream, computed),
            strides=[1, 2, 2, 1],
            padding="VALID",
        )
        return tf.cast(given, upstream.dtype)

    return gradient


def milliseconds(function, *given):
    """Returns the processor time of the fastest call."""
    function(*given)
    taken = []
    for _ in range(REPEATS.value):
        start = time.process_time()
        function(*given)
        taken.append(1000 * (time.process_time() - start))
    return min(taken)


def measure(side, channels):
    """Returns the milliseconds of each way."""
    rng = np.random.default_rng(0)
    shape = (BATCH.value, side + 2, side + 2, channels)
    kernel = tf.constant(rng.normal(size=(3, 3, channels, 1)).astype(np.float32))
    upstream = rng.normal(size=(BATCH.value, side // 2, side // 2, channels)).astype(np.float32)
    ways = {
        BFLOAT16: (tf.bfloat16, tf.bfloat16),
        FLOAT32: (tf.float32, tf.float32),
        OURS: (tf.bfloat16, tf.float32),
    }
    return {
        name: milliseconds(
            gradient_of(shape, computed), tf.cast(kernel, held), tf.cast(upstream, held)
        )
        for name, (held, computed) in ways.items()
    }


def main(_: list[str]) -> None:
    """Prints milliseconds a layer, and their sum."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    table = rich.table.Table("layer", *(f"{way}, ms" for way in (BFLOAT16, FLOAT32, OURS)))
    every = [measure(*layer) for layer in LAYERS]
    titles = [f"{side} px, {channels} channels" for side, channels in LAYERS]
    total = {way: sum(one[way] for one in every) for way in every[0]}
    for title, one in zip([*titles, "all four"], [*every, total], strict=True):
        table.add_row(title, *(f"{one[way]:.1f}" for way in (BFLOAT16, FLOAT32, OURS)))
    open_console().print(table)


if __name__ == "__main__":
    app.run(main)
