"""The network and its loss, from the Config."""

import keras
import numpy as np

from flags import choices
from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.imbalance import (
    binary_alpha,
    class_alphas,
    effective_prior,
    training_counts,
)
from tfcovid.experiment.pretrained import Pretrained
from tfcovid.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from tfcovid.losses.focal import SigmoidFocal, SoftmaxFocal
from tfcovid.models.classifier import build_classifier, prior_bias


def build_model(
    config: Config, dataset: Dataset, preprocessing: Preprocessing, start: Pretrained | None
) -> keras.Model:
    """Returns the classifier, its head's bias at the effective prior, its backbone loaded.

    Args:
      config: what is asked for.
      dataset: its training split gives the prior.
      preprocessing: gives the size and channels of the input.
      start: what the backbone starts from; None for random weights.
    """
    two_classes = len(dataset.classes) == 2
    prior = effective_prior(config, training_counts(dataset))
    model = build_classifier(
        backbone=config.model.backbone,
        num_outputs=1 if two_classes else len(dataset.classes),
        image_size=preprocessing.image_size,
        channels=preprocessing.channels,
        dropout=config.model.dropout,
        batch_norm=config.model.resolved_batch_norm,
        head_bias=prior_bias(prior[1] if two_classes else prior),
    )
    if start is not None:
        start.load(model.get_layer("backbone"))
    return model


def describe_model(config: Config, model: keras.Model, start: Pretrained | None) -> str:
    """Returns a line on the network and its start."""
    origin = "random weights" if start is None else start.about
    # Where everything trains, only statistics of batch norms do not.
    normalised = bool(model.get_layer("backbone").non_trainable_variables)
    batch_norm = config.model.resolved_batch_norm if normalised else "none"
    return (
        f"model: {config.model.backbone}, {model.count_params():,} parameters, from {origin}; "
        f"batch norm: {batch_norm}; loss: {config.loss.loss}, imbalance: {config.loss.imbalance}"
    )


def build_loss(config: Config, counts: np.ndarray) -> keras.losses.Loss:
    """Returns the loss from logits; two classes share one sigmoid logit."""
    loss, two_classes = config.loss, len(counts) == 2
    if loss.loss is choices.Loss.CE:
        if two_classes:
            return SigmoidCrossEntropy(label_smoothing=loss.label_smoothing)
        return SoftmaxCrossEntropy(label_smoothing=loss.label_smoothing, sparse=True)
    settings = {"gamma": loss.focal_gamma, "label_smoothing": loss.label_smoothing}
    if two_classes:
        return SigmoidFocal(alpha=binary_alpha(loss.focal_alpha, counts), **settings)
    return SoftmaxFocal(alpha=class_alphas(loss.focal_alpha, counts), sparse=True, **settings)
