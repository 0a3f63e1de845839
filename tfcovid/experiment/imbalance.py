"""The one mechanism that acts against unequal classes, from the training split alone."""

import numpy as np

from flags import choices
from flags.config import INVERSE_FREQUENCY, Config, FocalAlpha
from tfcovid.data.dataset import Dataset
from tfcovid.losses import class_weights


def training_counts(dataset: Dataset) -> np.ndarray:
    """Returns the images of each class in the training split, int64 [num_classes]."""
    return class_weights.class_counts(dataset.labels[dataset.rows("train")], len(dataset.classes))


def effective_prior(config: Config, counts: np.ndarray) -> np.ndarray:
    """Returns the class probabilities that the training loss sees, float64 [num_classes].

    Of an ensemble whose members are put together by a fit: those that this fit sees.
    """
    if config.model.combines_balanced:
        return np.full(len(counts), 1 / len(counts))
    mechanism = config.loss.imbalance
    if config.loss.focal_alpha == INVERSE_FREQUENCY:
        mechanism = choices.Imbalance.CLASS_WEIGHT  # alpha then weighs the classes just so
    return class_weights.effective_prior(counts, mechanism, beta=config.loss.effective_number_beta)


def stream_weights(config: Config, dataset: Dataset) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns each training image's weight in the loss and in the draw; one at most is there.

    Both are float64 [n], in the order of the training rows, from the training split alone.
    """
    labels = dataset.labels[dataset.rows("train")]
    counts = training_counts(dataset)
    match config.loss.imbalance:
        case choices.Imbalance.CLASS_WEIGHT:
            return class_weights.inverse_frequency(counts)[labels], None
        case choices.Imbalance.EFFECTIVE_NUMBER:
            beta = config.loss.effective_number_beta
            weights = class_weights.effective_number(counts, beta=beta)
            return weights[labels], None
        case choices.Imbalance.WEIGHTED_SAMPLING:
            return None, class_weights.sampling_weights(labels, len(counts))
        case _:
            return None, None


def binary_alpha(alpha: FocalAlpha, counts: np.ndarray) -> float | None:
    """Returns the weight of the positive of two classes."""
    if isinstance(alpha, str):
        return class_weights.alpha_from_frequency(counts)
    return None if alpha is None else alpha[0]


def class_alphas(alpha: FocalAlpha, counts: np.ndarray) -> tuple[float, ...] | None:
    """Returns the weight of each of several classes."""
    if isinstance(alpha, str):
        return tuple(class_weights.inverse_frequency(counts))
    return alpha
