"""Cross-entropy from logits: yes-or-no labels (sigmoid) and exclusive classes (softmax).

Functions return the loss of each example; the classes are what `model.compile`
takes. With sample weights w they give sum(w * loss) / batch size.
"""

import keras

from tfcovid.losses import log_space, targets


def sigmoid_cross_entropy(labels, logits, *, alpha=None, label_smoothing=0.0, label_weights=None):
    """Returns the sigmoid cross-entropy of each example, summed over its known labels.

    Sum of -log sigmoid(logits) where the label is 1 and -log(1 - sigmoid(logits))
    where it is 0: the negative log-likelihood of independent labels. Divide by
    num_labels for the mean that Keras and PyTorch take. An unknown label gives 0, and a gradient
    of 0.

    Args:
      labels: 0, 1 or between, or below 0 for unknown; any dtype [batch] or [batch, num_labels].
      logits: float [batch] or [batch, num_labels]; half precision is computed in float32.
      alpha: weight of the positive class in (0, 1), the negative class has 1 - alpha;
        a float or num_labels floats; None for weight 1 on both.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / 2.
      label_weights: further weights of the negative and the positive term of each label, floats
        [num_labels, 2], or None for ones.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    logits, positive, negative = targets.sigmoid_terms(
        labels,
        logits,
        alpha=alpha,
        label_smoothing=label_smoothing,
        label_weights=label_weights,
    )
    return log_space.sigmoid_loss(logits, positive, negative, 0)


def softmax_cross_entropy(labels, logits, *, alpha=None, label_smoothing=0.0):
    """Returns the softmax cross-entropy of each example, 0 where its class is unknown.

    Args:
      labels: one-hot or soft targets, any dtype [batch, num_classes]; rows sum to 1, or are below 0
        for an unknown class.
      logits: float [batch, num_classes]; half precision is computed in float32.
      alpha: weight of each class, positive floats [num_classes], or None for ones.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / num_classes.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    logits, weights = targets.softmax_terms(
        labels, logits, alpha=alpha, label_smoothing=label_smoothing
    )
    return log_space.softmax_loss(logits, weights, 0)


def sparse_softmax_cross_entropy(labels, logits, *, alpha=None, label_smoothing=0.0):
    """Returns `softmax_cross_entropy` for class indices.

    Args:
      labels: class indices, any dtype [batch] or [batch, 1]; NaN is returned for
        one outside [0, num_classes).
      logits: float [batch, num_classes].
      alpha: as in `softmax_cross_entropy`.
      label_smoothing: as in `softmax_cross_entropy`.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    logits = log_space.as_logits(logits)
    return softmax_cross_entropy(
        targets.one_hot(labels, logits), logits, alpha=alpha, label_smoothing=label_smoothing
    )


@keras.saving.register_keras_serializable(package="tfcovid")
class SigmoidCrossEntropy(keras.losses.Loss):
    """`sigmoid_cross_entropy` for `model.compile`; reduction as in `keras.losses.Loss`.

    Raises:
      ValueError: if a hyper-parameter is out of range.
    """

    def __init__(
        self,
        *,
        alpha=None,
        label_smoothing=0.0,
        label_weights=None,
        reduction="sum_over_batch_size",
        name="sigmoid_cross_entropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        targets.check_label_smoothing(label_smoothing)
        self.alpha = targets.checked_sigmoid_alpha(alpha)
        self.label_smoothing = label_smoothing
        self.label_weights = targets.checked_label_weights(label_weights)

    def call(self, y_true, y_pred):
        """Returns the loss of each example, float [batch]."""
        return sigmoid_cross_entropy(
            y_true,
            y_pred,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing,
            label_weights=self.label_weights,
        )

    def get_config(self):
        """Returns every argument, so that a reloaded loss is the same loss."""
        own = {
            "alpha": self.alpha,
            "label_smoothing": self.label_smoothing,
            "label_weights": self.label_weights,
        }
        return super().get_config() | own | {"dtype": self.dtype}


@keras.saving.register_keras_serializable(package="tfcovid")
class SoftmaxCrossEntropy(keras.losses.Loss):
    """`softmax_cross_entropy` for `model.compile`; reduction as in `keras.losses.Loss`.

    With sparse=True (the default) labels are class indices [batch] or [batch, 1],
    with sparse=False rows [batch, num_classes]; shapes are never guessed from.

    Raises:
      ValueError: if a hyper-parameter is out of range.
    """

    def __init__(
        self,
        *,
        sparse=True,
        alpha=None,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="softmax_cross_entropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        targets.check_label_smoothing(label_smoothing)
        self.sparse = sparse
        self.alpha = targets.checked_softmax_alpha(alpha)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Returns the loss of each example, float [batch]."""
        loss = sparse_softmax_cross_entropy if self.sparse else softmax_cross_entropy
        return loss(y_true, y_pred, alpha=self.alpha, label_smoothing=self.label_smoothing)

    def get_config(self):
        """Returns every argument, so that a reloaded loss is the same loss."""
        own = {
            "sparse": self.sparse,
            "alpha": self.alpha,
            "label_smoothing": self.label_smoothing,
        }
        return super().get_config() | own | {"dtype": self.dtype}
