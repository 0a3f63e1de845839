"""Values and gradients of a loss by the backend's own differentiation."""

import tensorflow as tf


def value_and_gradient(loss, labels, logits, dtype="float32"):
    """Returns the loss of each example and the gradient of their sum by the logits, NumPy."""
    logits = tf.Variable(logits, dtype=dtype)
    with tf.GradientTape() as tape:
        value = loss(labels, logits)
    gradient = tape.gradient(value, logits)
    assert gradient.dtype == logits.dtype
    return value.numpy(), gradient.numpy()
