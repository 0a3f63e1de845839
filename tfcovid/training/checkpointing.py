"""Keeps the best model on disk, whole or not at all."""

import pathlib
from typing import Any

import keras

from tfcovid.whole_file import whole_file

SELECTION_FIGURE = "val_macro_log_loss"


class BestModel(keras.callbacks.Callback):
    """Saves the model whenever the selection figure is the lowest of the run so far.

    One object serves all phases, so that a fine-tuning that only makes things
    worse leaves the model of the phase before. Keras' ModelCheckpoint forgets the
    best value between fits and writes in place, so that a kill while it writes
    leaves a damaged file.

    Args:
      path: where the model goes, `.keras`.
    """

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.path = path
        self.best = float("inf")
        self.best_phase = ""
        self.best_epoch = -1
        self.phase = ""

    def on_epoch_end(self, epoch, logs=None):
        """Saves the model if this epoch is the best of the run."""
        value = selection_value(logs)
        if value < self.best:
            with whole_file(self.path) as beside:
                self.model.save(beside)
            self.best, self.best_phase, self.best_epoch = value, self.phase, epoch

    def progress(self) -> dict[str, Any]:
        """Returns which epoch was the best."""
        return {"value": self.best, "phase": self.best_phase, "epoch": self.best_epoch}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over which epoch was the best.

        The file may be of a later one, which is then trained, and is the best, once more.
        """
        self.best, self.best_phase = progress["value"], progress["phase"]
        self.best_epoch = progress["epoch"]

    def describe(self) -> str:
        """Returns a line on which epoch is the best.

        Raises:
          FloatingPointError: if no epoch had a finite selection figure.
        """
        if not self.best_phase:
            raise FloatingPointError(
                "no epoch had a finite validation log-loss: expected one at least; lower "
                "--learning_rate, or try --precision=float32"
            )
        return (
            f"best: epoch {self.best_epoch + 1} of {self.best_phase}, "
            f"validation macro log-loss {self.best:.4f}"
        )


def selection_value(logs: dict | None) -> float:
    """Returns the class-averaged validation log-loss from an epoch's logs.

    Raises:
      KeyError: if the logs do not have it: the model was compiled without the metric.
    """
    return float((logs or {})[SELECTION_FIGURE])
