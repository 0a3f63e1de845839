"""What a task's outputs make of the network's head, of the loss and of the training stream.

An image has one class, or it has any number of findings, perhaps beside a class: two heads, chosen
in one place. Everything comes from the training split alone.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from flags import choices
from flags.config import INVERSE_FREQUENCY, Config
from tfcovid.data.blocks import columns_of, is_single_label
from tfcovid.data.dataset import Dataset
from tfcovid.experiment.imbalance import (
    binary_alpha,
    class_alphas,
    effective_prior,
    stream_weights,
    training_counts,
)
from tfcovid.losses import class_weights, output_weights
from tfcovid.losses.blocks import BlockLoss
from tfcovid.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from tfcovid.losses.focal import SigmoidFocal, SoftmaxFocal
from tfcovid.models.classifier import prior_bias

Weights = np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Head:
    """What depends on the kind of outputs a task has.

    Attributes:
      bias: from Config and Dataset to the head's first bias, float [num_outputs], the prior that
        the loss sees.
      loss: from Config and Dataset to the loss from logits.
      weights: from Config and Dataset to each training image's weight in the loss and in the draw,
        float64 [n], either or both None.
    """

    bias: Callable[[Config, Dataset], np.ndarray]
    loss: Callable[[Config, Dataset], keras.losses.Loss]
    weights: Callable[[Config, Dataset], tuple[Weights, Weights]]


def head_of(dataset: Dataset) -> Head:
    """Returns the head of a data set's task."""
    return HEADS[is_single_label(dataset.blocks)]


def build_loss(config: Config, counts: np.ndarray) -> keras.losses.Loss:
    """Returns the loss of exclusive classes from logits; two classes share one sigmoid logit."""
    loss, two_classes = config.loss, len(counts) == 2
    if loss.loss is choices.Loss.CE:
        if two_classes:
            return SigmoidCrossEntropy(label_smoothing=loss.label_smoothing)
        return SoftmaxCrossEntropy(label_smoothing=loss.label_smoothing, sparse=True)
    settings = {"gamma": loss.focal_gamma, "label_smoothing": loss.label_smoothing}
    if two_classes:
        return SigmoidFocal(alpha=binary_alpha(loss.focal_alpha, counts), **settings)
    return SoftmaxFocal(alpha=class_alphas(loss.focal_alpha, counts), sparse=True, **settings)


def known_shares(config: Config, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Returns each output's share of the known labels of the training split, true and as seen.

    Args:
      config: of the run.
      dataset: of findings, perhaps beside classes.

    Returns:
      The share, and what the loss makes of it by its weights, float64 [num_outputs] each.
    """
    targets = dataset.targets[dataset.rows("train")]
    shares, seen = [], []
    for block, columns in zip(dataset.blocks, columns_of(dataset.blocks), strict=True):
        counts = output_weights.output_counts(targets[:, columns])
        if block.exclusive:
            of_classes = counts[:, 1]
            shares.append(of_classes / of_classes.sum())
            seen.append(effective_prior(config, of_classes))
        else:
            shares.append(output_weights.effective_output_prior(counts, np.ones((len(counts), 2))))
            seen.append(output_weights.effective_output_prior(counts, _seen(config, counts)))
    return np.concatenate(shares), np.concatenate(seen)


def _class_bias(config: Config, dataset: Dataset) -> np.ndarray:
    prior = effective_prior(config, training_counts(dataset))
    return prior_bias(prior[1] if len(prior) == 2 else prior)


def _finding_bias(config: Config, dataset: Dataset) -> np.ndarray:
    _, seen = known_shares(config, dataset)
    return np.concatenate(
        [
            prior_bias(seen[columns])
            if block.exclusive
            else np.concatenate([prior_bias(share) for share in seen[columns]])
            for block, columns in zip(dataset.blocks, columns_of(dataset.blocks), strict=True)
        ]
    )


def _block_loss(config: Config, dataset: Dataset) -> BlockLoss:
    targets = dataset.targets[dataset.rows("train")]
    losses, divisors = [], []
    for block, columns in zip(dataset.blocks, columns_of(dataset.blocks), strict=True):
        of_block = targets[:, columns]
        counts = output_weights.output_counts(of_block)
        known = of_block >= 0
        losses.append(
            _softmax(config, counts[:, 1]) if block.exclusive else _sigmoid(config, counts)
        )
        divisors.append((known.all(axis=1) if block.exclusive else known.sum(axis=1)).mean())
    sizes = [len(block.outputs) for block in dataset.blocks]
    return BlockLoss(losses=losses, sizes=sizes, divisors=divisors)


def _sigmoid(config: Config, counts: np.ndarray) -> keras.losses.Loss:
    loss = config.loss
    settings = {"label_smoothing": loss.label_smoothing, "label_weights": _weights(config, counts)}
    if loss.loss is choices.Loss.CE:
        return SigmoidCrossEntropy(**settings)
    by_frequency = loss.focal_alpha == INVERSE_FREQUENCY
    alpha = output_weights.output_alphas(counts) if by_frequency else loss.focal_alpha
    return SigmoidFocal(gamma=loss.focal_gamma, alpha=alpha, **settings)


def _softmax(config: Config, counts: np.ndarray) -> keras.losses.Loss:
    """Returns the loss of the classes; the imbalance mechanism acts as their alphas."""
    loss = config.loss
    alpha = {
        choices.Imbalance.NONE: lambda: class_alphas(loss.focal_alpha, counts),
        choices.Imbalance.CLASS_WEIGHT: lambda: class_weights.inverse_frequency(counts),
        choices.Imbalance.EFFECTIVE_NUMBER: lambda: class_weights.effective_number(
            counts, beta=loss.effective_number_beta
        ),
    }[loss.imbalance]()
    settings = {"alpha": alpha, "label_smoothing": loss.label_smoothing, "sparse": False}
    if loss.loss is choices.Loss.CE:
        return SoftmaxCrossEntropy(**settings)
    return SoftmaxFocal(gamma=loss.focal_gamma, **settings)


def _weights(config: Config, counts: np.ndarray) -> np.ndarray | None:
    """Returns the weights of each finding's two terms; None where nothing weighs them."""
    if config.loss.imbalance is choices.Imbalance.NONE:
        return None
    beta = config.loss.effective_number_beta
    return output_weights.output_weights(counts, config.loss.imbalance.value, beta=beta)


def _seen(config: Config, counts: np.ndarray) -> np.ndarray:
    """Returns the weights of each finding's two terms, those of a frequency-derived alpha too."""
    if config.loss.focal_alpha == INVERSE_FREQUENCY:
        return output_weights.output_weights(counts, choices.Imbalance.CLASS_WEIGHT.value)
    weights = _weights(config, counts)
    return np.ones((len(counts), 2)) if weights is None else weights


HEADS: dict[bool, Head] = {
    True: Head(
        bias=_class_bias,
        loss=lambda config, dataset: build_loss(config, training_counts(dataset)),
        weights=stream_weights,
    ),
    False: Head(
        bias=_finding_bias,
        loss=_block_loss,
        weights=lambda config, dataset: (None, None),
    ),
}
"""By whether an image has one class and nothing else."""
