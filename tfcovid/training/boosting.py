"""Gradient-boosted trees on features that stay as they are, their number chosen on validation."""

import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss

from tfcovid.training.checkpointing import SELECTION_FIGURE
from tfcovid.training.linear_probe import class_averaged_log_loss

PHASE = "boosting"


@dataclasses.dataclass(frozen=True)
class Boosted:
    """Fitted trees.

    Attributes:
      model: scikit-learn's, with the chosen number of trees and no more; of several classes, so
        many of each. `models.boosted_trees` makes a layer of it.
      num_trees: that number, at least 1.
      history: a row for each number of trees tried: phase, epoch (the number of trees), loss (the
        weighted mean log-loss of the training images) and the class-averaged log-loss on
        validation, both in nats.
    """

    model: GradientBoostingClassifier
    num_trees: int
    history: list[dict]


def fit_boosted_trees(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
    *,
    num_classes: int,
    example_weights: np.ndarray | None = None,
    seed: int,
    max_trees: int = 300,
    learning_rate: float = 0.1,
    max_depth: int = 3,
    subsample: float = 0.5,
    max_features: str | int | float | None = "sqrt",
    progress: Callable[[int, int], None] | None = None,
) -> Boosted:
    """Returns the gradient boosting with the number of trees that validation likes best.

    Each tree sees half of the images, and each split a few of the features: faster on the thousand
    features of a network, and seldom worse. The start is the prior that the weights make.

    Args:
      features: of the training images, float32 [n, num_features].
      labels: class indices int [n]; every class must occur.
      validation_features: float32 [m, num_features].
      validation_labels: class indices int [m].
      num_classes: 2 or more.
      example_weights: factors of the loss, float [n], or None for ones.
      seed: another one draws other images and features. The same one gives the same trees.
      max_trees: the most that are tried, of each class.
      learning_rate: factor of each tree.
      max_depth: of each tree.
      subsample: share of the images that a tree sees, in (0, 1].
      max_features: how many features a split chooses from, as scikit-learn takes it.
      progress: called with (trees fitted, max_trees), or None.

    Raises:
      ValueError: if a class has no training image.

    Source: Friedman 2001, Annals of Statistics 29(5); sampling: Friedman 2002, CSDA 38(4).
    """
    if not np.array_equal(np.unique(labels), np.arange(num_classes)):
        raise ValueError(
            f"every class from 0 to {num_classes - 1} needs a training image. "
            f"Received: labels of {np.unique(labels).tolist()}"
        )
    model = GradientBoostingClassifier(
        n_estimators=max_trees,
        learning_rate=learning_rate,
        max_depth=max_depth,
        subsample=subsample,
        max_features=max_features,
        random_state=seed,
    )

    def fitted(stage, *_):
        if progress is not None:
            progress(stage + 1, max_trees)
        return False

    model.fit(features, labels, sample_weight=example_weights, monitor=fitted)
    losses = [
        log_loss(labels, probs, sample_weight=example_weights)
        for probs in model.staged_predict_proba(features)
    ]
    validation_losses = [
        float(class_averaged_log_loss(_as_logits(scores), validation_labels)[0])
        for scores in model.staged_decision_function(validation_features)
    ]
    num_trees = int(np.argmin(validation_losses)) + 1
    # Every tree only adds to those before it, so that the first ones are a model of their own.
    model.estimators_ = model.estimators_[:num_trees]
    model.set_params(n_estimators=num_trees)
    history = [
        {"phase": PHASE, "epoch": i + 1, "loss": float(loss), SELECTION_FIGURE: value}
        for i, (loss, value) in enumerate(zip(losses, validation_losses, strict=True))
    ]
    return Boosted(model, num_trees, history)


def _as_logits(scores: np.ndarray) -> np.ndarray:
    """Returns a decision function [n] or [n, outputs] as logits of one head, [n, 1, outputs]."""
    return scores.reshape(len(scores), 1, -1)
