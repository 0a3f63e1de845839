"""The network, from the Config."""

import pathlib

import keras

from flags.config import Config
from tfcovid.data.dataset import Dataset
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment.heads import head_of
from tfcovid.models.classifier import build_classifier
from tfcovid.models.input_contract import read_contract
from tfcovid.models.weights_file import load_backbone_weights


def build_model(
    config: Config, dataset: Dataset, preprocessing: Preprocessing, weights: pathlib.Path | None
) -> keras.Model:
    """Returns the classifier, its head's bias at the effective prior, its backbone loaded.

    Args:
      config: what is asked for.
      dataset: its training split gives the prior.
      preprocessing: gives the size and channels of the input.
      weights: the converted weights that the backbone starts from, or None.
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
    if weights is not None:
        load_backbone_weights(model.get_layer("backbone"), weights)
    return model


def describe_model(config: Config, model: keras.Model, weights: pathlib.Path | None) -> str:
    """Returns a line on the network and its start."""
    start = "random weights"
    if weights is not None:
        contract = read_contract(weights)
        start = f"{weights} (trained at {contract.image_size} px"
        if contract.head_outputs:
            start += f"; its head of {contract.head_outputs} outputs makes way for a new one"
        start += ")"
    # Where everything trains, only statistics of batch norms do not.
    normalised = bool(model.get_layer("backbone").non_trainable_variables)
    batch_norm = config.model.resolved_batch_norm if normalised else "none"
    return (
        f"model: {config.model.backbone}, {model.count_params():,} parameters, from {start}; "
        f"batch norm: {batch_norm}; loss: {config.loss.loss}, imbalance: {config.loss.imbalance}"
    )
