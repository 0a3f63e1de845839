"""The network that a run kept, as it is scored: in float32."""

import pathlib

import keras

from tfcovid.models.classifier import as_float32
from tfcovid.models.network_file import read_network


def load_best_model(path: pathlib.Path) -> keras.Model:
    """Returns a model file's classifier, computing in float32.

    Args:
      path: such as RUN/checkpoints/model.keras.

    Raises:
      ValueError: if the file is not there, damaged, or no network of this project.
    """
    return as_float32(read_network(path))
