"""The selection figure: log-loss in which every class counts the same."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class MacroLogLoss(keras.metrics.Metric):
    """Mean over the classes seen of the mean log-loss of their images, in nats.

    Exact over an epoch whatever the batches: sums and counts are kept for each
    class. Weights of examples are ignored, so that runs with and without class
    weights can be compared.

    Args:
      num_classes: at least 2; two classes may have one logit (sigmoid).
      name: of the figure in the logs.
      **kwargs: of keras.metrics.Metric.

    Raises:
      ValueError: if num_classes is below 2.
    """

    def __init__(self, *, num_classes: int, name: str = "macro_log_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2. Received: {num_classes}")
        self.num_classes = num_classes
        self.losses = self.add_weight(name="losses", shape=(num_classes,), initializer="zeros")
        self.counts = self.add_weight(name="counts", shape=(num_classes,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of labels int [b] or [b, 1] and logits [b, 1 or num_classes].

        Raises:
          ValueError: if the logits have another number of columns.
        """
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        truth = ops.one_hot(labels, self.num_classes, dtype=self.dtype)
        log_probs = ops.log_softmax(self._class_logits(ops.cast(y_pred, self.dtype)), axis=-1)
        # A product with 0 would let a logit of -inf in another class spoil the sum.
        terms = ops.where(truth > 0, -log_probs, 0.0)
        self.losses.assign_add(ops.sum(terms, axis=0))
        self.counts.assign_add(ops.sum(truth, axis=0))

    def result(self):
        """Returns the figure over the classes that occurred; 0 before any did."""
        means = self.losses / ops.maximum(self.counts, 1.0)
        present = ops.sum(ops.cast(self.counts > 0, self.dtype))
        return ops.sum(means) / ops.maximum(present, 1.0)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}

    def _class_logits(self, logits):
        columns = logits.shape[-1]
        if len(logits.shape) == 2 and columns == self.num_classes:
            return logits
        if len(logits.shape) == 2 and columns == 1 and self.num_classes == 2:
            return ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
        raise ValueError(
            f"logits must be [batch, {self.num_classes}], or [batch, 1] for two classes. "
            f"Received: shape {tuple(logits.shape)}"
        )
