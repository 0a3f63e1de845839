"""The end of a phase that makes no more progress."""

from typing import Any

import keras

from tfcovid.training.checkpointing import selection_value


class Patience(keras.callbacks.Callback):
    """Says when so many epochs in a row were not the best of their phase.

    Keras' EarlyStopping forgets what it saw whenever `fit` is called, and each epoch here is a call
    of its own, so that a training can go on at any step.

    Args:
      epochs: how many; 0 never ends a phase.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs
        self.best = float("inf")
        self.idle = 0

    @property
    def is_over(self) -> bool:
        """Whether the phase should end."""
        return 0 < self.epochs <= self.idle

    def on_epoch_end(self, epoch, logs=None):
        """Counts the epoch."""
        value = selection_value(logs)
        self.best, self.idle = (value, 0) if value < self.best else (self.best, self.idle + 1)

    def progress(self) -> dict[str, Any]:
        """Returns what it has seen."""
        return {"best": self.best, "idle": self.idle}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over what was seen before."""
        self.best, self.idle = progress["best"], progress["idle"]
