"""Training steps as `tfcovid.train` takes them, beside torchvision's networks under PyTorch.

    python -m benchmarks.training_step --peers=PYTHON

PYTHON is that of an environment with torch and torchvision. Its process answers requests on pipes
(`benchmarks/torch_peer.py`); ours and its steps are timed in turn, round after round, so that a
busy machine slows them alike. Ours are what `fit` takes in a phase of a run: step, figures and the
guard against divergence. PyTorch's are eager in both memory layouts and compiled, under AdamW.
Both hold one batch in memory; what feeds them is not in the figures.

A ratio is PyTorch's median step over ours within a pair of rounds: above 1 ours is faster. `of the
limit` is the share of what a bare large product of matrices reaches in the same precision, library
and run. A pair in which other processes took more than --others of the cores is measured again, at
most --again times; what they took in those that count is in the last column. On a machine that is
never quiet --threads=1 --clock=cpu counts the seconds in which a side had a core. --output adds a
line of JSON for each row to a file; --peers may be left out.
"""

import dataclasses
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags as absl_flags

from benchmarks import beside_torch
from benchmarks.arithmetic import training_flops
from benchmarks.beside_torch import PAUSE, SIZE, clock
from benchmarks.failing import check_names
from benchmarks.paired_ratios import Spread, median_s, ratio_of_times
from benchmarks.peer_process import PeerError
from flags.choices import Backbone
from tfcovid.console import say
from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.models.classifier import build_classifier
from tfcovid.training.distribution import Workers
from tfcovid.training.divergence import StopAtDivergence
from tfcovid.training.phases import Phase, TrainingPlan, compile_for

WAYS = ("channels_last", "contiguous", "compile")
NETWORKS = absl_flags.DEFINE_list(
    "networks", ["resnet50", "densenet121", "mobilenet_v2"], "torchvision's names."
)
PRECISIONS = absl_flags.DEFINE_list("precisions", ["bfloat16", "float32"], "Of the arithmetic.")
MODES = absl_flags.DEFINE_list("modes", list(WAYS), "PyTorch's ways; compile: channels_last.")
BATCH = absl_flags.DEFINE_integer("batch_size", 16, "Images a step.")
STEPS = absl_flags.DEFINE_integer("steps", 10, "Steps a round.")
PRODUCT = absl_flags.DEFINE_integer("product", 4096, "Side of the bare product's matrices.")

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
SMALL = {"image_size": 64, "batch_size": 2, "pairs": 2, "steps": 2, "product": 512}
CHANNELS, CLASSES = 3, 3
WARM_UP = 3


class StepTimes(keras.callbacks.Callback):
    """Seconds from the end of one step to the end of the next, other callbacks included."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(clock())

    def seconds(self):
        return np.diff(self.ends).tolist()


class Ours:
    """A classifier as a run trains it."""

    def __init__(self, network, precision):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(POLICIES[precision])
        self.model = build_classifier(
            backbone=network, num_outputs=CLASSES, image_size=SIZE.value, channels=CHANNELS
        )
        keras.config.set_dtype_policy("float32")
        phase = Phase("1_training", "training", 1000, 0, 1e-3, train_backbone=True)
        plan = TrainingPlan(
            loss=SoftmaxFocal(gamma=2.0, sparse=True),
            num_classes=CLASSES,
            batch_size=BATCH.value,
            steps_per_epoch=100,
            weight_decay=0.05,
            warmup_epochs=1,
            patience=0,
            precision=POLICIES[precision],
            initial_loss_scale=1.0,
            jit_compile=False,
        )
        compile_for(self.model, phase, plan, Workers())
        rng = np.random.default_rng(0)
        shape = (BATCH.value, SIZE.value, SIZE.value, CHANNELS)
        batch = (
            tf.constant(rng.normal(size=shape).astype(np.float32)),
            tf.constant(rng.integers(0, CLASSES, BATCH.value).astype(np.int32)),
            tf.ones(BATCH.value),
        )
        self.stream = tf.data.Dataset.from_tensors(batch).repeat()
        self.watch = StopAtDivergence(phase.name, first_epoch=0)

    def steps(self, count):
        times = StepTimes()
        self.model.fit(
            self.stream,
            steps_per_epoch=count + 1,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=[self.watch, times],
        )
        return times.seconds()


def product_s(precision, count=5):
    """Returns the seconds of a bare product of two square matrices in TensorFlow."""
    size = PRODUCT.value
    a, b = (tf.cast(tf.random.normal((size, size)), precision) for _ in range(2))
    multiply = tf.function(tf.matmul)
    multiply(a, b)
    seconds = []
    for _ in range(count):
        start = clock()
        multiply(a, b).numpy()
        seconds.append(clock() - start)
    return min(seconds)


def limits(precision, peer):
    """Returns what a bare product reaches in GFLOP/s, by library."""
    flops = 2 * PRODUCT.value**3 / 1e9
    found = {"TensorFlow": flops / product_s(precision)}
    if peer is not None:
        time.sleep(PAUSE.value)
        seconds = peer.ask("matmul", size=PRODUCT.value, precision=precision, count=5)
        found["PyTorch"] = flops / min(seconds)
    return found


def prepare(network, precision, mode, peer):
    """Makes the peer's network, and warms it up."""
    peer.ask(
        "train",
        network=network,
        size=SIZE.value,
        batch=BATCH.value,
        channels=CHANNELS,
        mode="compile" if mode == "compile" else "eager",
        channels_last=mode != "contiguous",
        precision=precision,
    )
    peer.ask("steps", count=WARM_UP)


def compare(network, precision, reached, peer):
    """Yields a row for each way of PyTorch's."""
    ours = Ours(network, precision)
    ours.steps(WARM_UP)

    def ours_turn():
        return ours.steps(STEPS.value)

    def theirs_turn():
        return peer.ask("steps", count=STEPS.value)

    gflop = training_flops(ours.model) * BATCH.value / 1e9
    for mode in MODES.value if peer is not None else ["none"]:
        row = {"network": network, "precision": precision, "mode": mode, "gflop": gflop}
        try:
            if peer is None:
                own, shares = beside_torch.pairs(peer, ours_turn)
            else:
                prepare(network, precision, mode, peer)
                own, theirs, shares = beside_torch.pairs(peer, ours_turn, theirs_turn)
        except PeerError as error:
            yield {**row, "error": str(error)}
            continue
        row["ours_s"], row["others"] = median_s(own), float(np.median(shares))
        row["ours_of_limit"] = gflop / row["ours_s"] / reached["TensorFlow"]
        if peer is not None:
            row["theirs_s"] = median_s(theirs)
            row["theirs_of_limit"] = gflop / row["theirs_s"] / reached["PyTorch"]
            row |= dataclasses.asdict(ratio_of_times(own, theirs))
            peer.ask("forget")
        yield row
    keras.backend.clear_session()


def words(row):
    """Returns the cells of a row."""
    cells = [row["network"], row["precision"], row["mode"]]
    if "error" in row:
        return [*cells, row["error"], "", "", "", "", ""]
    cells += [f"{BATCH.value / row['ours_s']:.1f}", f"{row['ours_of_limit']:.0%}"]
    if "theirs_s" not in row:
        return [*cells, "", "", "", f"{row['others']:.0%}"]
    return [
        *cells,
        f"{BATCH.value / row['theirs_s']:.1f}",
        f"{row['theirs_of_limit']:.0%}",
        Spread(row["median"], row["least"], row["greatest"]).text(2),
        f"{row['others']:.0%}",
    ]


def measure(console, peer):
    """Prints a row for each network, precision and way of PyTorch's."""
    rows = beside_torch.Rows(
        console,
        (
            *("network", "precision", "PyTorch", "ours, images/s", "of the limit"),
            *("PyTorch, images/s", "of the limit", "ratio (pairs)", "others"),
        ),
        words,
    )
    for precision in PRECISIONS.value:
        reached = limits(precision, peer)
        shown = ", ".join(f"{library} {rate:.0f}" for library, rate in reached.items())
        say(console, f"bare {precision} product of {PRODUCT.value}: GFLOP/s {shown}")
        for network in NETWORKS.value:
            for row in compare(network, precision, reached, peer):
                rows.add({**row, "limits": reached})
    rows.print()


def main(_: list[str]) -> None:
    """Measures with the peer, or alone."""
    check_names(NETWORKS, [one.value for one in Backbone])
    check_names(PRECISIONS, POLICIES)
    check_names(MODES, WAYS)
    beside_torch.run(measure, SMALL)


if __name__ == "__main__":
    app.run(main)
