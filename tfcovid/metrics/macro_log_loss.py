"""Class-averaged log-loss: the figure that selects the best model."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class MacroLogLoss(keras.metrics.Metric):
    """Mean over the classes of the mean log-loss of each class, from logits, in nats.

    A rare class counts as much as a common one, and probabilities count, not
    only decisions. Weights of examples are ignored.

    Args:
      num_classes: at least 2; two classes have one logit, more have one each.
      name: of the figure in the logs.
      **kwargs: of keras.metrics.Metric.
    """

    def __init__(self, *, num_classes: int, name: str = "macro_log_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.total = self.add_weight(name="total", shape=(num_classes,), initializer="zeros")
        self.count = self.add_weight(name="count", shape=(num_classes,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of labels int [b] or [b, 1] and logits [b, 1 or num_classes]."""
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        logits = ops.cast(y_pred, self.dtype)
        if self.num_classes == 2:
            logit = ops.reshape(logits, (-1,))
            log_probs = ops.stack([ops.log_sigmoid(-logit), ops.log_sigmoid(logit)], axis=-1)
        else:
            log_probs = ops.log_softmax(logits, axis=-1)
        truth = ops.one_hot(labels, self.num_classes, dtype=self.dtype)
        self.total.assign_sub(ops.sum(truth * log_probs, axis=0))
        self.count.assign_add(ops.sum(truth, axis=0))

    def result(self):
        """Returns the mean over the classes that occurred; 0 before any did."""
        present = ops.sum(ops.cast(self.count > 0, self.dtype))
        return ops.sum(self.total / ops.maximum(self.count, 1.0)) / ops.maximum(present, 1.0)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}
