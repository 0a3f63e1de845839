"""What stands against class imbalance: weights of classes and of examples, and their prior.

Plain NumPy, computed once from the class counts of the training split. All
weights have mean 1 over the training examples, so that the size of the loss,
and with it the learning rate, does not depend on the imbalance.
"""

import numpy as np

# Cui et al. 2019 try .9, .99, .999 and .9999; the last suits thousands of images a class.
DEFAULT_BETA = 0.9999


def class_counts(labels, num_classes):
    """Returns the number of examples of each class, int64 [num_classes].

    Args:
      labels: class indices int [n], in [0, num_classes).
      num_classes: number of classes.

    Raises:
      ValueError: if a label is not an integer in [0, num_classes).
    """
    labels = np.asarray(labels)
    in_range = (labels >= 0) & (labels < num_classes)
    if not np.issubdtype(labels.dtype, np.integer) or not in_range.all():
        raise ValueError(
            f"labels must be integers in [0, {num_classes}). Received: {labels.dtype} "
            f"values {np.unique(labels)[:10].tolist()}"
        )
    return np.bincount(labels, minlength=num_classes)


def inverse_frequency(counts):
    """Returns class weights n / (num_classes n_c), float64 [num_classes].

    Args:
      counts: training examples of each class, int [num_classes], all > 0.

    Raises:
      ValueError: if a class has no example.
    """
    counts = _checked_counts(counts)
    return counts.sum() / (counts.size * counts)


def effective_number(counts, *, beta=DEFAULT_BETA):
    """Returns class weights by the effective number of examples, float64 [num_classes].

    Proportional to (1 - beta) / (1 - beta^n_c): equal weights for beta = 0,
    towards inverse frequency as beta goes to 1.

    Args:
      counts: training examples of each class, int [num_classes], all > 0.
      beta: in [0, 1).

    Raises:
      ValueError: if a class has no example or beta is out of range.

    Source: Cui et al. 2019, arXiv:1901.05555, eq. 2; normalised to mean 1 over examples.
    """
    counts = _checked_counts(counts)
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1). Received: beta={beta}")
    # expm1 and log1p keep the digits that 1 - beta^n loses for beta close to 1.
    effective = np.ones_like(counts) if beta == 0 else -np.expm1(counts * np.log1p(beta - 1))
    weights = 1 / effective
    return weights * (counts.sum() / (counts @ weights))


def sampling_weights(labels, num_classes):
    """Returns how often each example is drawn relative to uniform drawing, float64 [n].

    Every class is drawn equally often; the mean is 1.

    Args:
      labels: class indices int [n].
      num_classes: number of classes.

    Raises:
      ValueError: if a label is out of range or a class has no example.
    """
    return inverse_frequency(class_counts(labels, num_classes))[np.asarray(labels)]


def alpha_from_frequency(counts):
    """Returns the sigmoid losses' alpha that gives both classes equal total weight, in (0, 1).

    Args:
      counts: training examples of the negative and the positive class, int [2].

    Raises:
      ValueError: if there are not two counts or one of them is zero.

    Source: CheXNet, arXiv:1711.05225, section 2.2: w+ = |N| / (|P| + |N|).
    """
    counts = _checked_counts(counts)
    if counts.size != 2:
        raise ValueError(f"expected counts of two classes. Received: {counts.tolist()}")
    return float(counts[0] / counts.sum())


def effective_prior(counts, imbalance, *, beta=DEFAULT_BETA):
    """Returns the class probabilities that the training loss sees, float64 [num_classes].

    Args:
      counts: training examples of each class, int [num_classes], all > 0.
      imbalance: 'none', 'class_weight', 'effective_number' or 'weighted_sampling'.
      beta: of 'effective_number', in [0, 1).

    Raises:
      ValueError: if a class has no example, or imbalance or beta is not one of these.
    """
    counts = _checked_counts(counts)
    weights = {
        "none": np.ones_like(counts),
        "class_weight": inverse_frequency(counts),
        "effective_number": effective_number(counts, beta=beta),
        "weighted_sampling": inverse_frequency(counts),
    }
    if imbalance not in weights:
        raise ValueError(
            f"imbalance must be one of {', '.join(weights)}. Received: imbalance={imbalance}"
        )
    seen = counts * weights[imbalance]
    return seen / seen.sum()


def _checked_counts(counts):
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 1 or counts.size == 0 or not np.all(counts > 0):
        raise ValueError(
            f"every class needs at least one training example. Received: counts={counts.tolist()}"
        )
    return counts
