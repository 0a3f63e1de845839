"""Focal loss from logits: cross-entropy in which easy examples count little.

Each term -log p is multiplied by (1 - p)^gamma. Functions return the loss of
each example; the classes are what `model.compile` takes.
"""

import keras

from tfcovid.losses import log_space, targets
from tfcovid.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy


def sigmoid_focal_loss(
    labels, logits, *, gamma, alpha=None, label_smoothing=0.0, label_weights=None
):
    """Returns the sigmoid focal loss of each example, summed over its known labels.

    With p = sigmoid(logits): label * alpha (1 - p)^gamma (-log p)
    + (1 - label) * (1 - alpha) p^gamma (-log(1 - p)). Smoothed labels weigh the
    two terms; they do not enter the focusing factor. An unknown label gives 0, and a gradient of 0.

    Args:
      labels: 0, 1 or between, or below 0 for unknown; any dtype [batch] or [batch, num_labels].
      logits: float [batch] or [batch, num_labels]; half precision is computed in float32.
      gamma: focusing exponent, finite, >= 0; 0 gives `sigmoid_cross_entropy`.
      alpha: weight of the positive class in (0, 1), the negative class has 1 - alpha;
        a float or num_labels floats; None for weight 1 on both.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / 2.
      label_weights: as in `sigmoid_cross_entropy`.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 5.
    """
    targets.check_gamma(gamma)
    logits, positive, negative = targets.sigmoid_terms(
        labels,
        logits,
        alpha=alpha,
        label_smoothing=label_smoothing,
        label_weights=label_weights,
    )
    return log_space.sigmoid_loss(logits, positive, negative, gamma)


def softmax_focal_loss(labels, logits, *, gamma, alpha=None, label_smoothing=0.0):
    """Returns the softmax focal loss of each example, 0 where its class is unknown.

    With p = softmax(logits): sum over classes of label alpha (1 - p)^gamma (-log p).

    Args:
      labels: one-hot or soft targets, any dtype [batch, num_classes]; rows sum to 1, or are below 0
        for an unknown class.
      logits: float [batch, num_classes]; half precision is computed in float32.
      gamma: focusing exponent, finite, >= 0; 0 gives `softmax_cross_entropy`.
      alpha: weight of each class, positive floats [num_classes], or None for ones.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / num_classes.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 5; softmax form, alpha per class.
    """
    targets.check_gamma(gamma)
    logits, weights = targets.softmax_terms(
        labels, logits, alpha=alpha, label_smoothing=label_smoothing
    )
    return log_space.softmax_loss(logits, weights, gamma)


def sparse_softmax_focal_loss(labels, logits, *, gamma, alpha=None, label_smoothing=0.0):
    """Returns `softmax_focal_loss` for class indices.

    Args:
      labels: class indices, any dtype [batch] or [batch, 1]; NaN is returned for
        one outside [0, num_classes).
      logits: float [batch, num_classes].
      gamma: as in `softmax_focal_loss`.
      alpha: as in `softmax_focal_loss`.
      label_smoothing: as in `softmax_focal_loss`.

    Returns:
      Loss in nats, float32 [batch] (float64 for float64 logits).

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    logits = log_space.as_logits(logits)
    return softmax_focal_loss(
        targets.one_hot(labels, logits),
        logits,
        gamma=gamma,
        alpha=alpha,
        label_smoothing=label_smoothing,
    )


@keras.saving.register_keras_serializable(package="tfcovid")
class SigmoidFocal(SigmoidCrossEntropy):
    """`sigmoid_focal_loss` for `model.compile`; reduction as in `keras.losses.Loss`.

    Raises:
      ValueError: if a hyper-parameter is out of range.
    """

    def __init__(self, *, gamma, name="sigmoid_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        targets.check_gamma(gamma)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        """Returns the loss of each example, float [batch]."""
        return sigmoid_focal_loss(
            y_true,
            y_pred,
            gamma=self.gamma,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing,
            label_weights=self.label_weights,
        )

    def get_config(self):
        """Returns every argument, so that a reloaded loss is the same loss."""
        return super().get_config() | {"gamma": self.gamma}


@keras.saving.register_keras_serializable(package="tfcovid")
class SoftmaxFocal(SoftmaxCrossEntropy):
    """`softmax_focal_loss` for `model.compile`; `sparse` as in `SoftmaxCrossEntropy`.

    Raises:
      ValueError: if a hyper-parameter is out of range.
    """

    def __init__(self, *, gamma, name="softmax_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        targets.check_gamma(gamma)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        """Returns the loss of each example, float [batch]."""
        loss = sparse_softmax_focal_loss if self.sparse else softmax_focal_loss
        return loss(
            y_true,
            y_pred,
            gamma=self.gamma,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing,
        )

    def get_config(self):
        """Returns every argument, so that a reloaded loss is the same loss."""
        return super().get_config() | {"gamma": self.gamma}
