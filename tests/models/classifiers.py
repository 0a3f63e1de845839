"""Small classifiers with every variable at random, and images to tell apart."""

import numpy as np

from tfcovid.models.classifier import build_classifier
from tfcovid.models.network_file import read_network


def randomised(model, seed=0):
    """Returns the model with its float32 variables at random, those that must be positive so."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype == "float32":
            positive = variable.name in ("gamma", "moving_variance")
            values = rng.uniform(0.5, 1.5, variable.shape)
            variable.assign(values if positive else values - 1)
    return model


def tiny(seed=0, **kwargs):
    """Returns a `tiny` classifier, by default of three classes and one channel at 32 px."""
    arguments = {"backbone": "tiny", "num_outputs": 3, "image_size": 32, "channels": 1}
    return randomised(build_classifier(**{**arguments, **kwargs}), seed)


def images(count=4, *, side=32, channels=1, seed=1):
    """Returns float32 [count, side, side, channels], about normal."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, side, side, channels)).astype(np.float32)


def gray(count=4, *, side=32, seed=1):
    """Returns gray values of 0..255 as 0..1, float32 [count, side, side, 1], of unlike brightness.

    Pixels alone would average out, and all images have nearly the same features.
    """
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(0, 256, (count, 4, 4)), np.ones((side // 4, side // 4)))
    pixels = np.clip(
        coarse * rng.uniform(0.2, 1, (count, 1, 1)) + rng.normal(size=coarse.shape), 0, 255
    )
    return (np.round(pixels)[..., None] / 255).astype(np.float32)


def probabilities(logits):
    """Returns float64 [..., max(2, outputs)] of logits [..., outputs], by the plain formula."""
    logits = np.asarray(logits, np.float64)
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def reloaded(model, folder):
    """Returns the model saved as `.keras` and read again as a run's own is."""
    model.save(folder / "model.keras")
    return read_network(folder / "model.keras")
