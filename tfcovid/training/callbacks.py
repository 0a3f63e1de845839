"""What TensorBoard shows of a phase."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcovid.metrics.balanced_accuracy import BalancedAccuracy
from tfcovid.training.divergence import loss_scale, number_of

# A scalar of every step would make the event files grow faster than they are looked at.
BATCHES_BETWEEN_SCALARS = 10


class PhaseBoard(keras.callbacks.Callback):
    """Scalars, learning rate, loss scale and pictures of one phase, for TensorBoard.

    Each phase has a folder of its own: the batch counter restarts with every
    fit, and two phases in one folder would draw over each other. Keras' own
    callback is not used: with figures every few batches, Keras 3.15 drops the
    epoch's figures unless the epoch ends on such a batch.

    It is a context, in which any number of fits continue one another.

    Args:
      folder: RUN/tensorboard/PHASE; `train/` and `validation/` are made in it.
      augmented: uint8-range images [n, size, size, 1] as the network gets them,
        drawn once as a grid, before normalisation.
      draw_confusion: from counts [num_classes, num_classes] (rows the truth)
        to an RGB picture uint8 [h, w, 3]; called at each epoch's end; None draws none.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        augmented: np.ndarray,
        draw_confusion: Callable[[np.ndarray], np.ndarray] | None,
    ):
        super().__init__()
        self.folder = folder
        self.augmented = augmented
        self.draw_confusion = draw_confusion
        self.batches = 0

    def __enter__(self) -> "PhaseBoard":
        """Opens the files, and writes the grid of augmented inputs at the phase's begin."""
        self.train = tf.summary.create_file_writer(str(self.folder / "train"))
        self.validation = tf.summary.create_file_writer(str(self.folder / "validation"))
        if not self.batches:
            with self.train.as_default(step=0):
                tf.summary.image("augmented inputs", image_grid(self.augmented)[None])
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the files."""
        self.train.close()
        self.validation.close()

    def progress(self) -> dict[str, Any]:
        """Returns what it has seen."""
        return {"batches": self.batches}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over what was seen before; steps behind the snapshot are written once more."""
        self.batches = progress["batches"]

    def on_train_batch_end(self, batch, logs=None):
        """Writes the running loss and the optimizer's state every few steps."""
        # Counted here: the optimizer's own count stands still when float16 skips a step.
        if self.batches % BATCHES_BETWEEN_SCALARS == 0:
            with self.train.as_default(step=self.batches):
                tf.summary.scalar("batch/loss", float((logs or {})["loss"]))
                for name, value in optimizer_state(self.model.optimizer).items():
                    tf.summary.scalar(f"batch/{name}", value)
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's figures and the validation confusion matrix."""
        logs = logs or {}
        for writer, prefix in ((self.train, ""), (self.validation, "val_")):
            with writer.as_default(step=epoch + 1):
                for key, value in logs.items():
                    name = key.removeprefix("val_")
                    if key == prefix + name:
                        tf.summary.scalar(f"epoch/{name}", float(value))
        if self.draw_confusion is not None:
            with self.validation.as_default(step=epoch + 1):
                picture = self.draw_confusion(validation_confusion(self.model))
                tf.summary.image("confusion matrix", picture[None])
        self.train.flush()
        self.validation.flush()


def validation_confusion(model: keras.Model) -> np.ndarray:
    """Returns the counts int64 [num_classes, num_classes] that the last validation left.

    Raises:
      ValueError: if the model was compiled without BalancedAccuracy.
    """
    for metric in all_metrics(model):
        if isinstance(metric, BalancedAccuracy):
            return keras.ops.convert_to_numpy(metric.matrix).astype(np.int64)
    raise ValueError(
        "expected a model compiled with BalancedAccuracy, found none among its metrics"
    )


def all_metrics(model: keras.Model) -> list[keras.metrics.Metric]:
    """Returns the metrics of a compiled model, those inside Keras' containers too."""
    return [inner for metric in model.metrics for inner in getattr(metric, "metrics", [metric])]


def optimizer_state(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """Returns the learning rate, and under float16 the loss scale."""
    state = {"learning_rate": number_of(optimizer.learning_rate)}
    scale = loss_scale(optimizer)
    return state if scale is None else state | {"loss_scale": scale}


def image_grid(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Returns images [n, h, w, 1] side by side as one uint8 image [rows*h, columns*w, 1]."""
    images = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    missing = -len(images) % columns
    images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)])
    rows = [np.concatenate(list(row), axis=1) for row in np.split(images, len(images) // columns)]
    return np.concatenate(rows, axis=0)


def merge_histories(histories: Sequence[tuple[str, dict[str, list]]]) -> list[dict]:
    """Returns one record an epoch, phases in order: phase, epoch (from 1) and its figures."""
    return [
        {"phase": phase, "epoch": i + 1}
        | {key: float(values[i]) for key, values in history.items()}
        for phase, history in histories
        for i in range(len(history["loss"]))
    ]
