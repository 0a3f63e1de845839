"""The gradients of a network and an epoch of its training, in three precisions.

  KERAS_BACKEND=jax python -m benchmarks.gpu.training --images=xrays.npz --part=gradients
  KERAS_BACKEND=jax python -m benchmarks.gpu.training --images=xrays.npz --part=epoch

`benchmarks.gpu.images` writes the file. The gradients of one batch are set against float64 on the
CPU, those of the accelerator and those of the CPU in the same precision; a difference is the
length of the difference of all gradients, in units of the length of the exact ones.
"""

import time
from collections.abc import Iterator

import keras
import numpy as np
import rich.console
import rich.table
from absl import app
from absl import flags as absl_flags
from sklearn.metrics import balanced_accuracy_score

from benchmarks.gpu import backend
from tfcovid.losses import class_weights
from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.models.classifier import build_classifier, in_precision
from tfcovid.training.optimizer import build_optimizer

IMAGES = absl_flags.DEFINE_string("images", None, "What benchmarks.gpu.images wrote.")
PART = absl_flags.DEFINE_enum("part", "epoch", ["gradients", "epoch"], "What is measured.")
BACKBONE = absl_flags.DEFINE_string("backbone", "resnet50", "The network.")
BATCH_SIZE = absl_flags.DEFINE_integer("batch_size", 32, "Images a step.")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05


class EachLoss(keras.callbacks.Callback):
    """Keeps the loss of every step, and when it was over.

    Attributes:
      losses: of each step; Keras reports the mean since the epoch's start, which this undoes.
      times: seconds of `time.perf_counter` at each step's end.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Forgets the epoch before."""
        self.losses, self.times = [], []

    def on_train_batch_end(self, batch, logs=None):
        """Takes the step's loss out of the mean."""
        self.losses.append(float(logs["loss"]) * (batch + 1) - sum(self.losses))
        self.times.append(time.perf_counter())


def read_images(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns inputs, float32 [n, side, side, 1] in [-1, 1], labels and which images train."""
    found = np.load(path)
    return found["images"].astype(np.float32) / 127.5 - 1, found["labels"], found["is_train"]


def classifier(backbone: str, precision: str, image_size: int, num_outputs: int) -> keras.Model:
    """Returns the same random network, whatever the precision."""
    built = {"backbone": backbone, "num_outputs": num_outputs, "image_size": image_size}
    keras.mixed_precision.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    start = build_classifier(**built, channels=1)
    keras.mixed_precision.set_dtype_policy(precision)
    model = build_classifier(**built, channels=1)
    model.set_weights(start.get_weights())
    return model


def gradient_differences(
    path: str, backbone: str, batch_size: int, precisions=PRECISIONS
) -> Iterator[tuple]:
    """Yields a row for each precision: how far accelerator and CPU are from float64."""
    backend.allow_float64()
    images, labels, _ = read_images(path)
    num_outputs = int(labels.max()) + 1
    chosen = np.random.default_rng(0).permutation(len(images))[:batch_size]
    images, labels = images[chosen], labels[chosen]
    loss = SoftmaxFocal(gamma=2.0, sparse=True)

    def gradients(precision, device):
        with backend.on(device):
            policy = "float32" if precision == "float64" else precision
            model = classifier(backbone, policy, images.shape[1], num_outputs)
            if precision == "float64":
                model = in_precision(model, "float64")
            _, found = backend.loss_and_gradients(model, loss, images, labels)
        return np.concatenate([gradient.ravel() for gradient in found])

    exact = gradients("float64", "cpu")
    for precision in precisions:
        ours, cpu = gradients(precision, "accelerator"), gradients(precision, "cpu")
        pairs = ((ours, exact), (cpu, exact), (ours, cpu))
        apart = [np.linalg.norm(a - b) / np.linalg.norm(exact) for a, b in pairs]
        yield (precision, *apart, bool(np.isfinite(ours).all()))


def epochs(path: str, backbone: str, batch_size: int, precisions=PRECISIONS) -> Iterator[tuple]:
    """Yields a row for each precision: the losses of an epoch, and what it learned."""
    images, labels, is_train = read_images(path)
    counts = class_weights.class_counts(labels[is_train], int(labels.max()) + 1)
    weights = class_weights.inverse_frequency(counts)[labels].astype(np.float32)
    order = np.random.default_rng(0).permutation(np.flatnonzero(is_train))
    # Whole batches: another shape would be compiled anew in the middle.
    steps = len(order) // batch_size
    order = order[: steps * batch_size]
    for precision in precisions:
        model = classifier(backbone, precision, images.shape[1], len(counts))
        optimizer = build_optimizer(
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            total_steps=steps,
            warmup_steps=steps // 10,
            precision=precision,
            initial_loss_scale=2.0**15,
        )
        model.compile(optimizer, loss=SoftmaxFocal(gamma=2.0, sparse=True))
        each = EachLoss()
        model.fit(
            images[order],
            labels[order],
            sample_weight=weights[order],
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[each],
        )
        logits = model.predict(images[~is_train], batch_size=batch_size, verbose=0)
        tenth, compiled = max(1, steps // 10), steps // 5
        seconds = each.times[-1] - each.times[compiled]
        yield (
            precision,
            np.mean(each.losses[:tenth]),
            np.mean(each.losses[-tenth:]),
            balanced_accuracy_score(labels[~is_train], logits.argmax(-1)),
            (steps - 1 - compiled) * batch_size / seconds,
            bool(np.isfinite(each.losses).all() and np.isfinite(logits).all()),
        )


PARTS = {
    "gradients": (gradient_differences, ("accelerator", "CPU", "accelerator to CPU")),
    "epoch": (epochs, ("first tenth's loss", "last", "balanced accuracy", "images/s")),
}


def main(_: list[str]) -> None:
    """Measures the part and prints its table."""
    measure, headings = PARTS[PART.value]
    table = rich.table.Table(
        title=f"{PART.value}: {BACKBONE.value}, focal loss, batches of {BATCH_SIZE.value}, on "
        f"{backend.name_of_the_accelerator()}, Keras on {keras.backend.backend()}"
    )
    for heading in ("precision", *headings, "all finite"):
        table.add_column(heading)
    for precision, *figures, finite in measure(IMAGES.value, BACKBONE.value, BATCH_SIZE.value):
        texts = (f"{figure:.3g}" if figure < 1000 else f"{figure:,.0f}" for figure in figures)
        table.add_row(precision, *texts, "yes" if finite else "NO")
    rich.console.Console(width=120).print(table)


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["images"])
    app.run(main)
