"""What stands against unequal findings: weights of the two terms of each output, and their prior.

Plain NumPy, computed once from the label matrix of the training split; unknown labels count for
nothing. Of each output the weights have mean 1 over its known labels.
"""

import numpy as np

from tfcovid.losses.class_weights import DEFAULT_BETA, effective_number, inverse_frequency

WEIGHTED = {
    "none": lambda counts, _: np.ones(2),
    # Proportional to CheXNet's w+ = |N| / (|P| + |N|), w- = |P| / (|P| + |N|).
    "class_weight": lambda counts, _: inverse_frequency(counts),
    "effective_number": lambda counts, beta: effective_number(counts, beta=beta),
}


def output_counts(targets):
    """Returns how many labels of each output are negative and positive, int64 [num_outputs, 2].

    Args:
      targets: label matrix, int [n, num_outputs]: 1, 0, or -1 for unknown.
    """
    targets = np.asarray(targets)
    return np.stack([(targets == value).sum(axis=0) for value in (0, 1)], axis=1)


def output_weights(counts, imbalance, *, beta=DEFAULT_BETA):
    """Returns the weight of the negative and the positive term of each output, float64 [k, 2].

    Args:
      counts: negative and positive training labels of each output, int [k, 2], all > 0.
      imbalance: 'none', 'class_weight' or 'effective_number'.
      beta: of 'effective_number', in [0, 1).

    Raises:
      ValueError: if an output has no positive or no negative label, or imbalance is none of these.

    Source: CheXNet, arXiv:1711.05225, section 2.2, for each output alone.
    """
    if imbalance not in WEIGHTED:
        raise ValueError(
            f"imbalance must be one of {', '.join(WEIGHTED)} where an image has several labels. "
            f"Received: imbalance={imbalance}"
        )
    counts = np.asarray(counts)
    return np.stack([WEIGHTED[imbalance](of_output, beta) for of_output in counts])


def effective_output_prior(counts, weights):
    """Returns each output's probability as the training loss sees it, float64 [k].

    Args:
      counts: negative and positive training labels of each output, int [k, 2], all > 0.
      weights: of their terms, float [k, 2].
    """
    seen = np.asarray(counts, np.float64) * weights
    return seen[:, 1] / seen.sum(axis=1)


def output_alphas(counts):
    """Returns the sigmoid losses' alpha of each output that gives both its terms equal weight.

    Args:
      counts: negative and positive training labels of each output, int [k, 2], all > 0.

    Returns:
      Floats in (0, 1), float64 [k].

    Raises:
      ValueError: if an output has no positive or no negative label.

    Source: CheXNet, arXiv:1711.05225, section 2.2: w+ = |N| / (|P| + |N|).
    """
    counts = np.asarray(counts, np.float64)
    if not np.all(counts > 0):
        raise ValueError(
            "every output needs a positive and a negative training label. "
            f"Received: counts={counts.tolist()}"
        )
    return counts[:, 0] / counts.sum(axis=1)
