"""The arithmetic all losses share: focal terms and their gradients, in log space.

Written by hand because no library has it: softmax or sigmoid followed by a
logarithm, and automatic differentiation of (1 - p)^gamma, give zero or NaN
gradients for confidently wrong examples.
"""

import math

import keras
from keras import ops

# Eigen and XLA flush subnormal numbers to zero, also where such a number is one
# factor of a normal product. Small factors are therefore computed e^16 times too large.
_HEADROOM = 16.0


def as_logits(logits):
    """Returns logits as a tensor of at least float32: float64 stays, half precision is raised."""
    logits = ops.convert_to_tensor(logits)
    is_float64 = keras.backend.standardize_dtype(logits.dtype) == "float64"
    return logits if is_float64 else ops.cast(logits, "float32")


def sigmoid_loss(logits, positive, negative, gamma):
    """Returns the weighted focal loss of independent yes-or-no labels.

    Computes sum_k positive_k (1 - p_k)^gamma (-log p_k) + negative_k p_k^gamma (-log(1 - p_k))
    with p = sigmoid(logits). No gradient goes to the weights, and none of second order exists.

    Args:
      logits: float32 or float64 [batch, num_labels].
      positive: weight of the positive term, same dtype and shape.
      negative: weight of the negative term, same dtype and shape.
      gamma: focusing exponent, float >= 0.

    Returns:
      Loss in nats [batch], in the dtype of the logits.
    """
    fixed = ops.stop_gradient(logits)
    yes, yes_slope = _focal_term(fixed, 0.0, 1.0, positive, gamma)
    no, no_slope = _focal_term(-fixed, 0.0, 1.0, negative, gamma)
    return _with_gradient(yes + no, yes_slope - no_slope, logits)


def softmax_loss(logits, weights, gamma):
    """Returns the weighted focal loss of exclusive classes.

    Computes sum_k weights_k (1 - p_k)^gamma (-log p_k) with p = softmax(logits).
    Each class is held against the others alone, so that 1 - p_k never comes from
    a subtraction; this takes batch x num_classes^2 numbers. No gradient goes to
    the weights, and none of second order exists.

    Args:
      logits: float32 or float64 [batch, num_classes], num_classes >= 2.
      weights: weight of each class's term, same dtype and shape.
      gamma: focusing exponent, float >= 0.

    Returns:
      Loss in nats [batch], in the dtype of the logits.
    """
    fixed = ops.stop_gradient(logits)
    itself = ops.eye(fixed.shape[-1], dtype="bool")[None]
    others = ops.where(itself, -math.inf, fixed[:, None, :])  # [batch, class, other]
    best_other = ops.max(others, axis=-1)
    behind = others - best_other[:, :, None]
    rest = ops.sum(ops.exp(behind), axis=-1)
    margin, rounding = _exact_difference(fixed, best_other)
    loss, slope = _focal_term(margin, rounding, rest, weights, gamma)
    share = ops.exp(behind + _HEADROOM) / rest[:, :, None]
    to_others = ops.sum(slope[:, :, None] * share, axis=1) * math.exp(-_HEADROOM)
    return _with_gradient(loss, slope - to_others, logits)


def _focal_term(margin, rounding, rest, weight, gamma):
    """Returns weight (1 - p)^gamma (-log p) and its derivative by the margin.

    p = 1 / (1 + rest exp(-margin)): the margin is the lead over the best other
    class, and rest >= 1 the mass of all others relative to that best one. The
    true margin is margin + rounding, which only matters inside exp.
    """
    distance, ahead = ops.abs(margin), margin > 0
    decay = ops.exp(-distance) * (1.0 - ops.sign(margin) * rounding)
    right = ops.where(ahead, 1.0, decay)
    wrong = rest * ops.where(ahead, decay, 1.0)
    p, one_minus_p = right / (right + wrong), wrong / (right + wrong)
    nll = ops.relu(-margin) + ops.log1p(ops.where(ahead, wrong, rest - 1.0 + decay))
    # (1 - p) exp(_HEADROOM), see there.
    raised = rest * ops.exp(_HEADROOM - ops.where(ahead, distance, 0.0)) / (right + wrong)
    if gamma == 0:
        return weight * nll, -weight * raised * math.exp(-_HEADROOM)
    # The derivative is spelled out: that of a power with gamma < 1 is infinite at p = 1.
    focus = ops.power(one_minus_p, gamma)
    vanished = one_minus_p == 0
    relative_nll = ops.where(vanished, 1.0, nll / ops.where(vanished, 1.0, one_minus_p))
    steepness = focus * weight * (1.0 + gamma * p * relative_nll)
    return focus * weight * nll, -steepness * raised * math.exp(-_HEADROOM)


def _exact_difference(a, b):
    """Returns a - b and what rounding took from it (Knuth's two-sum)."""
    difference = a - b
    b_part = difference - a
    return difference, (a - (difference - b_part)) - (b + b_part)


def _with_gradient(terms, gradient, logits):
    """Returns the sum of the terms, whose gradient by the logits is the one given."""
    loss = ops.stop_gradient(ops.sum(terms, axis=-1))
    unmoved = logits - ops.stop_gradient(logits)
    return loss + ops.sum(ops.stop_gradient(gradient) * unmoved, axis=-1)
