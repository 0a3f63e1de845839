"""The network, from the Config."""

import keras

from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heads import head_of
from tfcovid.experiment.pretrained import Pretrained
from tfcovid.models.classifier import build_classifier


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
    bias = head_of(dataset).bias(config, dataset)
    model = build_classifier(
        backbone=config.model.backbone,
        num_outputs=len(bias),
        image_size=preprocessing.image_size,
        channels=preprocessing.channels,
        dropout=config.model.dropout,
        batch_norm=config.model.resolved_batch_norm,
        head_bias=bias,
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
