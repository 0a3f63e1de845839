"""Balanced accuracy over an epoch, with the confusion matrix it comes from."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfcovid")
class BalancedAccuracy(keras.metrics.Metric):
    """Mean recall over the classes seen so far; weights of examples are ignored.

    `matrix` holds the counts, float32 [num_classes, num_classes], rows the
    truth. After validation it is the validation split's, which spares a second
    pass to draw it.

    Args:
      num_classes: at least 2; two classes have one logit, more have one each.
      name: of the figure in the logs.
      **kwargs: of keras.metrics.Metric.
    """

    def __init__(self, *, num_classes: int, name: str = "balanced_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.matrix = self.add_weight(
            name="matrix", shape=(num_classes, num_classes), initializer="zeros"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch of labels int [b] or [b, 1] and logits [b, 1 or num_classes]."""
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        if self.num_classes == 2:
            decisions = ops.cast(ops.reshape(y_pred, (-1,)) > 0, "int32")
        else:
            decisions = ops.argmax(y_pred, axis=-1)
        truth = ops.one_hot(labels, self.num_classes, dtype=self.dtype)
        decided = ops.one_hot(decisions, self.num_classes, dtype=self.dtype)
        self.matrix.assign_add(ops.matmul(ops.transpose(truth), decided))

    def result(self):
        """Returns the mean recall over the classes that occurred; 0 before any did."""
        counts = ops.sum(self.matrix, axis=1)
        recalls = ops.diagonal(self.matrix) / ops.maximum(counts, 1.0)
        present = ops.sum(ops.cast(counts > 0, self.dtype))
        return ops.sum(recalls) / ops.maximum(present, 1.0)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}
