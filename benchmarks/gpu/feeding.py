"""Whether the pipeline keeps an accelerator busy: it alone, the step alone, and `fit` of both.

  KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false \
      python -m benchmarks.gpu.feeding --data_dir=DIR

The pipeline needs TensorFlow, for which its CPU build is enough; the network runs on any Keras
backend. Images are decoded once and augmented anew for every batch, on all cores of the machine.
The step alone has its batch on the device. The three take turns, round after round.
"""

import pathlib
import time

import keras
import numpy as np
from absl import app
from absl import flags as absl_flags

from benchmarks.gpu import backend, speed
from benchmarks.input_pipeline_ours import AUGMENTATION, rate
from benchmarks.paired_ratios import in_turn, paired_ratios, spread
from tfcovid.data.image_store import ImageStore
from tfcovid.data.pipeline import training_dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.training.runtime import usable_cores

DATA_DIR = absl_flags.DEFINE_string("data_dir", None, "X-rays, searched to the bottom.")
CHANNELS = absl_flags.DEFINE_list("channels", ["3", "1"], "Of the network's input.")
ENDINGS = (".jpeg", ".jpg", ".png")
FEED, STEP = "pipeline alone", "step alone"
FIT, AHEAD = "fit, fed by the pipeline", "with batches put ahead"
_FIRST_STEPS = 5  # of a fit: the pipeline starts, and so does the device


class Since(keras.callbacks.Callback):
    """Keeps when the first steps of a fit were over, as `time.perf_counter` has it."""

    def on_train_batch_end(self, batch, logs=None):
        """Notes the time; reads the loss, so that the device is done."""
        if batch == _FIRST_STEPS - 1:
            float(logs["loss"])
            self.start = time.perf_counter()


def subjects(store, precision, channels, batch_size, steps, backbone="resnet50"):
    """Returns by name what runs so many steps and gives images a second, each warmed up.

    Args:
      store: an `ImageStore` in memory.
      precision: one of `speed.PRECISIONS`.
      channels: of the network's input, 1 or 3.
      batch_size: images a step.
      steps: of a turn.
      backbone: the network.
    """
    # An epoch of whole batches: another shape would be compiled anew.
    count = len(store) // batch_size * batch_size
    size = store.fetch(np.arange(1)).shape[1]
    stream = training_dataset(
        store,
        np.arange(count),
        np.arange(count) % speed.NUM_CLASSES,
        preprocessing=Preprocessing(size, channels=channels),
        augmentation=AUGMENTATION,
        batch_size=batch_size,
        seed=0,
    )
    images, labels, _ = next(iter(stream))
    alone = speed.ours(precision, images.numpy(), labels.numpy(), backbone)
    model = speed.trainable(precision, size, channels, backbone)

    def step():
        start = time.perf_counter()
        alone(steps)
        return batch_size * steps / (time.perf_counter() - start)

    def fit(batches):
        since = Since()
        history = model.fit(
            batches,
            steps_per_epoch=_FIRST_STEPS + steps,
            shuffle=False,
            verbose=0,
            callbacks=[since],
        )
        if not np.isfinite(history.history["loss"]).all():
            raise FloatingPointError("the loss is not finite")
        return batch_size * steps / (time.perf_counter() - since.start)

    return {
        FEED: rate(stream, batch_size * steps),
        STEP: step,
        FIT: lambda: fit(stream),
        AHEAD: lambda: fit(backend.put_ahead(stream)),
    }


def main(_: list[str]) -> None:
    """Prints images a second of each, and what share of the smaller of two the fit reaches."""
    root, size = pathlib.Path(DATA_DIR.value), speed.IMAGE_SIZE.value
    paths = sorted(str(path) for path in root.rglob("*") if path.suffix.lower() in ENDINGS)
    store, failures = ImageStore.load(paths, Preprocessing(size, channels=1), cache="memory")
    if failures:
        raise SystemExit(f"{len(failures)} files did not decode, such as {paths[min(failures)]}")
    print(
        f"ResNet50 {size} px, batches of {speed.BATCH_SIZE.value}, {len(paths)} X-rays, on "
        f"{backend.name_of_the_accelerator()} and {usable_cores()} cores: images a second\n\n"
        f"| precision | channels | {FEED} | {STEP} | {FIT} | of the step | {AHEAD} | of the step "
        "|\n"
        "|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for precision in speed.CHOSEN.value:
        for channels in map(int, CHANNELS.value):
            runs = subjects(store, precision, channels, speed.BATCH_SIZE.value, speed.STEPS.value)
            for run in runs.values():
                run()
            rates = in_turn(runs, speed.ROUNDS.value)
            cells = [spread(rates[name]).text(0) for name in (FEED, STEP)]
            for name in (FIT, AHEAD):
                cells.append(spread(rates[name]).text(0))
                cells.append(paired_ratios(rates[name], rates[STEP]).text(2))
            print(f"| {precision} | {channels} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    absl_flags.mark_flags_as_required(["data_dir"])
    app.run(main)
