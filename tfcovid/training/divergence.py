"""Ends a training in the step in which its numbers stop being numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

SMALLEST_LOSS_SCALE = 1.0
"""A gradient that overflows without being multiplied overflows at any scale."""


class DivergedError(FloatingPointError):
    """A training whose numbers are none any more.

    Args:
      reason: what was found, in a clause.
      phase: name of the phase.
      first_epoch: number of the phase's first epoch within the run.
      epoch: number of the epoch in its phase, from 0.
      batch: number of the batch in its epoch, from 0.
      variable: path of the first variable that is not finite, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        phase: str,
        first_epoch: int,
        epoch: int,
        batch: int,
        variable: str | None = None,
    ):
        super().__init__(f"{reason} at epoch {epoch + 1}, batch {batch + 1} of {phase}")
        self.reason, self.variable = reason, variable
        self.phase, self.first_epoch = phase, first_epoch
        self.epoch, self.batch = epoch, batch


class StopAtDivergence(keras.callbacks.Callback):
    """Looks after each step whether loss, weights and loss scale are sound.

    The loss alone tells a step too late: where a gradient is no number, the loss of its batch still
    is, and the weights are spoilt. float16 skips such a step and halves its loss scale, but what
    batch normalisation keeps of the batch is not taken back, and a scale that falls below 1 never
    comes back. Looking costs a sum over the weights: 4 ms of a ResNet50 on two cores.

    Args:
      phase: name of the phase.
      first_epoch: number of its first epoch within the run.

    Attributes:
      first_batch: number of the batch that the next epoch begins with.
    """

    def __init__(self, phase: str, *, first_epoch: int):
        super().__init__()
        self.phase, self.first_epoch = phase, first_epoch
        self.first_batch = 0
        self._sum_of_weights: Callable[[], tf.Tensor] | None = None

    def on_epoch_begin(self, epoch, logs=None):
        """Notes which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Raises DivergedError where the step left something that is no number."""
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise self._error(f"the loss became {loss}", batch)
        if self._sum_of_weights is None:  # traced once: that takes longer than the sum does
            self._sum_of_weights = sum_over([one.value for one in floats(self.model)])
        if not math.isfinite(float(self._sum_of_weights())):
            variable = first_not_finite(self.model)
            raise self._error(f"the step left numbers in {variable} that are none", batch, variable)
        scale = loss_scale(self.model.optimizer)
        if scale is not None and scale < SMALLEST_LOSS_SCALE:
            reason = f"the loss scale fell to {scale:g}: no gradient is finite in float16"
            raise self._error(reason, batch)

    def _error(self, reason: str, batch: int, variable: str | None = None) -> DivergedError:
        return DivergedError(
            reason,
            phase=self.phase,
            first_epoch=self.first_epoch,
            epoch=self.epoch,
            batch=self.first_batch + batch,
            variable=variable,
        )


def loss_scale(optimizer: keras.optimizers.Optimizer) -> float | None:
    """Returns the loss scale under float16, or None where there is none."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return number_of(optimizer.dynamic_scale)
    return None


def number_of(held: Any) -> float:
    """Returns the value of a scalar variable or tensor, be it kept by several replicas."""
    return float(keras.ops.convert_to_numpy(held))


def skipped_in_words(optimizer: keras.optimizers.Optimizer, steps: int) -> str | None:
    """Returns how many steps float16 skipped, or None where it skipped none.

    Args:
      optimizer: of a phase that is over.
      steps: that the phase had.
    """
    scale = loss_scale(optimizer)
    skipped = steps - int(number_of(optimizer.iterations))
    if scale is None or not skipped:
        return None
    return f"float16: {skipped} of {steps} steps overflowed and were skipped; loss scale {scale:g}"


def floats(model: keras.Model) -> list[keras.Variable]:
    """Returns the weights that are floating-point numbers, moving statistics among them."""
    return [one for one in model.weights if "float" in one.dtype]


def sum_over(variables: Sequence[tf.Variable]) -> Callable[[], tf.Tensor]:
    """Returns a function that gives the sum of all numbers, which one that is none spoils."""

    @tf.function
    def total():
        return tf.add_n([tf.reduce_sum(tf.cast(one, tf.float32)) for one in variables])

    return total


def first_not_finite(model: keras.Model) -> str:
    """Returns the path of the first variable that holds NaN or infinity, or "the weights"."""
    for one in floats(model):
        if not bool(keras.ops.all(keras.ops.isfinite(one))):
            return one.path
    return "the weights"
