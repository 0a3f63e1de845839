"""The losses written down plainly in float64 NumPy, with their gradients by hand."""

import numpy as np


def focal_terms(margin, gamma):
    """Returns (1 - p)^gamma (-log p) for p = sigmoid(margin), and its derivative, float64."""
    nll = np.logaddexp(0.0, -margin)
    wrong = np.exp(-np.logaddexp(0.0, margin))
    right = np.exp(-nll)
    return wrong**gamma * nll, -(wrong**gamma) * (gamma * right * nll + wrong)


def sigmoid(labels, logits, *, gamma=0.0, alpha=None, label_smoothing=0.0):
    """Returns the loss [batch], its gradient, and the size of what that sums, [batch, k] each."""
    logits = np.asarray(logits, np.float64)
    positive = np.asarray(labels, np.float64) * (1 - label_smoothing) + label_smoothing / 2
    negative = 1 - positive
    if alpha is not None:
        positive, negative = positive * np.asarray(alpha), negative * (1 - np.asarray(alpha))
    yes, yes_slope = focal_terms(logits, gamma)
    no, no_slope = focal_terms(-logits, gamma)
    parts = positive * yes_slope, -negative * no_slope
    return (positive * yes + negative * no).sum(-1), sum(parts), sum(map(np.abs, parts))


def softmax(labels, logits, *, gamma=0.0, alpha=None, label_smoothing=0.0):
    """Returns the loss [batch], its gradient, and the size of what that sums, [batch, k] each."""
    logits = np.asarray(logits, np.float64)
    classes = logits.shape[1]
    weights = np.asarray(labels, np.float64) * (1 - label_smoothing) + label_smoothing / classes
    weights = weights * (1.0 if alpha is None else np.asarray(alpha))
    loss, gradient, size = np.zeros(len(logits)), np.zeros_like(logits), np.zeros_like(logits)
    for k in range(classes):
        rest = [j for j in range(classes) if j != k]
        log_rest = np.logaddexp.reduce(logits[:, rest], axis=1)
        term, slope = focal_terms(logits[:, k] - log_rest, gamma)
        loss += weights[:, k] * term
        move = np.zeros_like(logits)
        move[:, k] = weights[:, k] * slope
        move[:, rest] = -move[:, [k]] * np.exp(logits[:, rest] - log_rest[:, None])
        gradient += move
        size += np.abs(move)
    return loss, gradient, size
