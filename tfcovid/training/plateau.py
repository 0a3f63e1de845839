"""The learning rate of --schedule=plateau: up to its peak, then down by ten at each standstill."""

from typing import Any

import keras

from tfcovid.training.checkpointing import selection_value
from tfcovid.training.divergence import number_of

FACTOR = 0.1
"""Source: CheXNet, arXiv:1711.05225, section 2.2: "decayed by a factor of 10 each time the
validation loss plateaus after an epoch"."""


class WarmUpThenPlateau(keras.callbacks.Callback):
    """Raises the learning rate linearly from 0, then divides it by 10 after each idle epoch.

    An epoch is idle if its selection figure is not the lowest so far of this fit; one of the
    warm-up never is. Keras' ReduceLROnPlateau has no warm-up, and flips the sign of its own
    min_delta between fits.

    Args:
      learning_rate: peak rate, > 0.
      warmup_steps: steps to get there, >= 0.
    """

    def __init__(self, *, learning_rate: float, warmup_steps: int):
        super().__init__()
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.steps = 0
        self.best = float("inf")

    def on_train_batch_begin(self, batch, logs=None):
        """Sets the rate of a step of the warm-up, and the peak at its end."""
        if self.steps <= self.warmup_steps and self.warmup_steps:
            self._set(self.learning_rate * self.steps / self.warmup_steps)
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        """Divides the rate where the epoch was idle."""
        value = selection_value(logs)
        if value < self.best:
            self.best = value
        elif self.steps > self.warmup_steps:
            self._set(number_of(self.model.optimizer.learning_rate) * FACTOR)

    def progress(self) -> dict[str, Any]:
        """Returns what it has seen; the rate itself is the optimizer's."""
        return {"steps": self.steps, "best": self.best}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Takes over what was seen before."""
        self.steps, self.best = progress["steps"], progress["best"]

    def _set(self, rate: float) -> None:
        self.model.optimizer.learning_rate = rate
