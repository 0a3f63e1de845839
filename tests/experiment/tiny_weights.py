"""A weights file of the tiny backbone for tests that start from weights."""

import keras
import numpy as np

from tfcovid.models.backbones import build_backbone
from tfcovid.models.input_contract import InputContract
from tfcovid.models.weights_file import save_backbone_weights

CONTRACT = InputContract(
    architecture="tiny",
    channels=3,
    low=0.0,
    high=1.0,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    image_size=64,
    head_outputs=0,
    class_names=(),
    source_sha256="0" * 64,
    proof={},
)


def tiny_weights(folder):
    """Writes weights whose every variable is random; returns the path of the file."""
    path, _ = tiny_weights_and_values(folder)
    return path


def tiny_weights_and_values(folder):
    """Writes weights whose every variable is random; returns the path, and the values by path."""
    keras.utils.set_random_seed(3)
    backbone = build_backbone("tiny", image_size=32, channels=3)
    rng = np.random.default_rng(3)
    for variable in backbone.variables:
        if variable.name.startswith(("gamma", "moving_variance")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name.startswith(("beta", "moving_mean")):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    path = folder / "tiny.weights.h5"
    save_backbone_weights(backbone, path, CONTRACT)
    return path, {v.path: v.numpy() for v in backbone.variables}
