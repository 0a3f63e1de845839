"""Labels and per-class weights, checked and brought to the shape of the logits."""

import math

import numpy as np
from keras import ops

from tfcovid.losses.log_space import as_logits


def sigmoid_terms(labels, logits, *, alpha, label_smoothing, label_weights=None):
    """Returns logits and the weights of positive and negative terms, [batch, num_labels] each.

    Both weights of an unknown label are 0.

    Args:
      labels: 0, 1 or between, or below 0 for unknown; any dtype [batch] or [batch, num_labels].
      logits: float [batch] or [batch, num_labels].
      alpha: weight of the positive class in (0, 1), a float or one a label, or None.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / 2.
      label_weights: weight of the negative and of the positive term of each label, floats
        [num_labels, 2], or None for ones.

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    check_label_smoothing(label_smoothing)
    logits = _as_columns(as_logits(logits), "logits")
    labels = _as_columns(ops.cast(labels, logits.dtype), "labels")
    _check_same_shape(labels, logits)
    unknown = labels < 0
    positive = labels * (1.0 - label_smoothing) + label_smoothing / 2.0
    positive, negative = (ops.where(unknown, 0.0, term) for term in (positive, 1.0 - positive))
    if label_weights is not None:
        weights = checked_label_weights(label_weights)
        if len(weights) != logits.shape[-1]:
            raise ValueError(
                f"label_weights must have a row for each of {logits.shape[-1]} labels. "
                f"Received: label_weights={label_weights}"
            )
        weights = ops.convert_to_tensor(weights, dtype=logits.dtype)
        positive, negative = positive * weights[:, 1], negative * weights[:, 0]
    if alpha is None:
        return logits, positive, negative
    alpha = checked_sigmoid_alpha(alpha)
    if np.ndim(alpha) and len(alpha) != logits.shape[-1]:
        raise ValueError(
            f"alpha must be one number or one for each of {logits.shape[-1]} labels. "
            f"Received: alpha={alpha}"
        )
    alpha = ops.convert_to_tensor(alpha, dtype=logits.dtype)
    return logits, alpha * positive, (1.0 - alpha) * negative


def softmax_terms(labels, logits, *, alpha, label_smoothing):
    """Returns logits and the weight of each class's term, [batch, num_classes] each.

    All weights of an unknown row are 0.

    Args:
      labels: one-hot or soft targets, any dtype [batch, num_classes]; rows sum to 1, or are below 0
        for an image whose class is unknown.
      logits: float [batch, num_classes].
      alpha: weight of each class, positive floats [num_classes], or None for ones.
      label_smoothing: s in [0, 1): labels become labels (1 - s) + s / num_classes.

    Raises:
      ValueError: if shapes do not fit or a hyper-parameter is out of range.
    """
    check_label_smoothing(label_smoothing)
    logits = as_logits(logits)
    num_classes = _num_classes(logits)
    labels = ops.cast(labels, logits.dtype)
    _check_same_shape(labels, logits)
    unknown = ops.any(labels < 0, axis=-1, keepdims=True)
    weights = labels * (1.0 - label_smoothing) + label_smoothing / num_classes
    weights = ops.where(unknown, 0.0, weights)
    if alpha is not None:
        alpha = checked_softmax_alpha(alpha)
        if len(alpha) != num_classes:
            raise ValueError(
                f"alpha must have one weight for each of {num_classes} classes. "
                f"Received: alpha={alpha}"
            )
        weights = weights * ops.convert_to_tensor(alpha, dtype=logits.dtype)
    return logits, weights


def one_hot(labels, logits):
    """Returns class indices as one-hot rows, float [batch, num_classes].

    A label outside [0, num_classes) becomes a row of NaN, so that the loss is
    NaN rather than silently 0.

    Args:
      labels: class indices, any dtype [batch] or [batch, 1].
      logits: float [batch, num_classes]; only the shape and dtype are used.

    Raises:
      ValueError: if labels or logits have another shape.
    """
    num_classes = _num_classes(logits)
    labels = _as_columns(ops.cast(labels, "int32"), "sparse labels")
    if labels.shape[-1] != 1:
        raise ValueError(
            "sparse labels must be class indices [batch] or [batch, 1]; for one-hot labels use "
            f"the form that is not sparse. Received: shape {tuple(labels.shape)}"
        )
    rows = ops.cast(ops.equal(labels, ops.arange(num_classes, dtype="int32")), "float32")
    return ops.where((labels >= 0) & (labels < num_classes), rows, math.nan)


def check_label_smoothing(label_smoothing):
    """Raises ValueError unless 0 <= label_smoothing < 1."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"label_smoothing must be in [0, 1). Received: label_smoothing={label_smoothing}"
        )


def check_gamma(gamma):
    """Raises ValueError unless gamma is finite and >= 0."""
    if not 0 <= gamma < math.inf:
        raise ValueError(f"gamma must be finite and >= 0. Received: gamma={gamma}")


def checked_sigmoid_alpha(alpha):
    """Returns alpha as a float, a list of floats or None; ValueError unless in (0, 1)."""
    if alpha is None:
        return None
    values = np.asarray(alpha, np.float64)
    if values.ndim > 1 or not np.all((values > 0) & (values < 1)):
        raise ValueError(
            "alpha must be the weight of the positive class, in (0, 1), one number or one a label. "
            f"Received: alpha={alpha}"
        )
    return values.tolist()


def checked_softmax_alpha(alpha):
    """Returns alpha as a list of floats or None; ValueError unless positive and finite."""
    if alpha is None:
        return None
    values = np.asarray(alpha, np.float64)
    if values.ndim != 1 or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(
            f"alpha must be one positive weight for each class. Received: alpha={alpha}"
        )
    return values.tolist()


def checked_label_weights(label_weights):
    """Returns label weights as lists of floats or None; ValueError unless positive pairs."""
    if label_weights is None:
        return None
    values = np.asarray(label_weights, np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(
            "label_weights must be a positive weight of the negative and of the positive term of "
            f"each label. Received: label_weights={label_weights}"
        )
    return values.tolist()


def _as_columns(tensor, what):
    if len(tensor.shape) == 1:
        return tensor[:, None]
    if len(tensor.shape) == 2:
        return tensor
    raise ValueError(f"{what} must have one or two axes. Received: shape {tuple(tensor.shape)}")


def _num_classes(logits):
    if len(logits.shape) != 2 or logits.shape[-1] is None or logits.shape[-1] < 2:
        raise ValueError(
            "logits must be [batch, num_classes] with at least 2 classes; for one logit use the "
            f"sigmoid form. Received: shape {tuple(logits.shape)}"
        )
    return logits.shape[-1]


def _check_same_shape(labels, logits):
    """Raises where broadcasting would silently pair every label with every logit."""
    fits = len(labels.shape) == len(logits.shape) and all(
        a is None or b is None or a == b for a, b in zip(labels.shape, logits.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            "labels must have the shape of the logits. Received: labels "
            f"{tuple(labels.shape)}, logits {tuple(logits.shape)}"
        )
