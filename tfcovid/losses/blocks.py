"""The loss of a network whose outputs come in blocks: exclusive classes, and findings.

Each block has a loss of its own over its own outputs; they are added.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class BlockLoss(keras.losses.Loss):
    """Sum over blocks of their losses, each divided by a number of its own.

    The divisor of a block is the mean number of its labels that are known of a training image.
    Over an epoch the loss is then the mean over the known labels; batch by batch it is not, and
    shall not be: divided by the known labels of its own batch, a label would weigh more in a batch
    of many unknown ones.

    Args:
      losses: of the blocks, from labels and logits [batch, size] to [batch], as `SigmoidFocal` and
        `SoftmaxCrossEntropy(sparse=False)`; labels below 0 are unknown.
      sizes: outputs of each block, in order; ints > 0.
      divisors: what the loss of each block is divided by, floats > 0; None for ones.
      reduction: as in `keras.losses.Loss`.
      name: of the loss.
      dtype: as in `keras.losses.Loss`.

    Raises:
      ValueError: if there is not a positive size and divisor for each loss.
    """

    def __init__(
        self,
        *,
        losses,
        sizes,
        divisors=None,
        reduction="sum_over_batch_size",
        name="block_loss",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        divisors = [1.0] * len(losses) if divisors is None else list(map(float, divisors))
        if not len(losses) == len(sizes) == len(divisors) or not losses:
            raise ValueError(
                "expected a size and a divisor for each of one or more losses. Received: "
                f"{len(losses)} losses, sizes={list(sizes)}, divisors={divisors}"
            )
        if min(*sizes, *divisors) <= 0:
            raise ValueError(
                f"sizes and divisors must be > 0. Received: sizes={list(sizes)}, "
                f"divisors={divisors}"
            )
        self.losses, self.sizes, self.divisors = list(losses), list(map(int, sizes)), divisors

    def call(self, y_true, y_pred):
        """Returns the loss of each example, float [batch].

        Raises:
          ValueError: if labels or logits do not have a column for each output.
        """
        width = sum(self.sizes)
        if y_true.shape[-1] != width or y_pred.shape[-1] != width:
            raise ValueError(
                f"expected labels and logits [batch, {width}]. Received: shapes "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        total, start = 0.0, 0
        for loss, size, divisor in zip(self.losses, self.sizes, self.divisors, strict=True):
            columns = slice(start, start + size)
            total += loss.call(y_true[:, columns], y_pred[:, columns]) / divisor
            start += size
        return ops.convert_to_tensor(total)

    def get_config(self):
        """Returns every argument, so that a reloaded loss is the same loss."""
        own = {
            "losses": [keras.saving.serialize_keras_object(loss) for loss in self.losses],
            "sizes": self.sizes,
            "divisors": self.divisors,
        }
        return super().get_config() | own | {"dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        """Returns the loss that `get_config` describes."""
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})
