"""A small classifier as exports take it, every variable at random, and squares to tell apart."""

import numpy as np

from flags.config import Config
from tests.models.classifiers import gray, tiny
from tfcovid.data.preprocess import Preprocessing
from tfcovid.experiment import class_export
from tfcovid.experiment.class_export import OF_CLASSES
from tfcovid.exports.contract import contract_of
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling

CLASSES = ("Normal", "Pneumonia", "COVID-19")
PREPROCESSING = Preprocessing(32, channels=1, mean=(0.5,), std=(0.25,))
RULE = DecisionRule(CLASSES, Scaling(1.7, (0.4, -0.1, -0.3)), "COVID-19", threshold=0.3)


def squares(count=12, *, side=32, seed=1):
    """Returns uint8 [count, side, side, 1] of unlike brightness."""
    return np.round(255 * gray(count, side=side, seed=seed)).astype(np.uint8)


def module_of(model=None, *, rule=RULE, preprocessing=PREPROCESSING):
    """Returns what a SavedModel is made of; of a tiny network where none is given."""
    return class_export.module_of(Config(), tiny() if model is None else model, rule, preprocessing)


def expected(module, images, *, rule=RULE):
    """Returns the probabilities that the Keras model and the rule in NumPy give."""
    logits = module.model(module.preprocessing.network_input(images), training=False)
    return rule.probabilities(logits.numpy())


def contract(*, rule=RULE, preprocessing=PREPROCESSING, batch="batch"):
    """Returns the contract of a file of the tiny network."""
    return contract_of(
        task="multiclass",
        classes=rule.classes,
        preprocessing=preprocessing,
        decision=OF_CLASSES.decision_of(rule),
        batch=batch,
        precision="weights and arithmetic float32",
        model_sha256="0" * 64,
        model_card={"warning": "For research."},
    )
