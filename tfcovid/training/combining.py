"""What combines the members of an ensemble, fitted on the validation images.

On validation, because members are sure of what they were trained on. The decision rule is chosen
on the same images afterwards, so that the combination is cross-fitted: what it says of an image
here comes from a fit that has not seen the image's patient.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from tfcovid.data.group_folds import group_folds
from tfcovid.models.ensemble import StackedLogits, WeightedMembers
from tfcovid.training.cross_fitting import FOLDS, Problem, cross_fit, log_loss

# How far weights may lie from those of the members' mean; 0 leaves the mean as it is. Chosen by
# simulation (docs/log.md): 3 lets six positives make stacking half as bad again as the mean.
SPREADS = (0.0, 0.1, 0.2, 0.4, 1.0)


@dataclasses.dataclass(frozen=True)
class Combined:
    """A fitted combination.

    Attributes:
      layer: for `models.ensemble.build_ensemble`; fitted on all images. Its probabilities are of
        classes that are equally frequent.
      on_validation: logits of the same images, each from a fit without its group, float32
        [n, outputs]: what the decision rule may be chosen on.
      spread: how far the weights of `layer` were let from the members' mean; 0 for not at all.
    """

    layer: keras.layers.Layer
    on_validation: np.ndarray
    spread: float


def fit_stacking(
    member_logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    folds: np.ndarray | None = None,
    spreads: Sequence[float] = SPREADS,
) -> Combined:
    """Returns the multinomial logistic regression on the members' log probabilities.

    Minimises the class-balanced log-loss, the weights held near a start: the mean of the members'
    log probabilities. How near (`cross_fitting.Problem`) is chosen by cross-fitting over groups
    (`cross_fitting.choose_spread`), so that with few positives the mean is what comes out.

    Args:
      member_logits: of the validation images, float [n, members, outputs]; one output is the log
        odds of the second of two classes.
      labels: class indices int [n].
      groups: patient of each image, any type [n]; a group is never torn.
      seed: of the folds.
      folds: fold of each image, int [n]; None makes them by `group_folds`.
      spreads: how far weights may lie from the start, to choose from, >= 0; 0 keeps the start.

    Raises:
      ValueError: if shapes do not fit or logits are not finite, a class is absent or in one group
        only, or a fold holds all of a class.
    """
    logits, labels, groups = _checked(member_logits, labels, groups, folds)
    layer = _built(StackedLogits(), logits)
    form = _Stacked(logits, _flat(layer))
    return _fit(layer, Problem(form, log_loss, labels, groups), folds, spreads, seed)


def fit_member_weights(
    member_logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    loss: keras.losses.Loss,
    seed: int,
    activation: str = "tanh",
    folds: np.ndarray | None = None,
    spreads: Sequence[float] = SPREADS,
) -> Combined:
    """Returns the layer that weighs the members image by image, as FLANNEL does.

    Minimises the class-balanced loss, the weights held near a start that weighs all members alike,
    as in `fit_stacking`. Published: focal loss, with gamma 10 in the script that trains, class
    weights of the inverse frequency, Adam, the members' predictions of their own training images.
    Chosen here: validation images, what holds the weights, and L-BFGS on all images at once, which
    has no learning rate to choose.

    Args:
      member_logits: as in `fit_stacking`.
      labels: class indices int [n].
      groups: patient of each image, any type [n].
      loss: from logits, one of the project's; sparse where there are several outputs.
      seed: of the folds.
      activation: see `WeightedMembers`.
      folds: as in `fit_stacking`.
      spreads: as in `fit_stacking`.

    Raises:
      ValueError: as `fit_stacking` does, or if activation is unknown.

    Source: Qiao et al. 2021, JAMIA 28(3), doi 10.1093/jamia/ocaa280; see `WeightedMembers`.
    """
    logits, labels, groups = _checked(member_logits, labels, groups, folds)
    layer = _built(WeightedMembers(activation), logits)
    form = _Weighed(logits, _flat(layer), activation)
    return _fit(layer, Problem(form, _of_keras(loss), labels, groups), folds, spreads, seed)


class _Stacked:
    """`StackedLogits` in NumPy: logits linear in the log probabilities."""

    def __init__(self, logits, start):
        features = special.log_softmax(logits, axis=-1) if logits.shape[2] > 1 else logits
        self.features, self.outputs = features.reshape(len(logits), -1), logits.shape[2]
        self.start = start

    def logits(self, parameters, rows):
        kernel = parameters[: -self.outputs].reshape(-1, self.outputs)
        return self.features[rows] @ kernel + parameters[-self.outputs :]

    def slope(self, parameters, rows, by_logits):
        return np.r_[(self.features[rows].T @ by_logits).ravel(), by_logits.sum(axis=0)]


class _Weighed:
    """`WeightedMembers` in NumPy, whose derivative takes a fraction of the time so."""

    def __init__(self, logits, start, activation):
        self.single = logits.shape[2] == 1
        scores = np.concatenate([np.zeros_like(logits), logits], axis=2) if self.single else logits
        self.probs = special.softmax(scores, axis=2)
        f = self.probs.reshape(len(logits), -1)
        self.interaction = (f[:, :, None] * f[:, None, :]).reshape(len(logits), -1)
        self.members, self.start, self.activation = logits.shape[1], start, activation

    def logits(self, parameters, rows):
        scores = (self._weights(parameters, rows)[:, :, None] * self.probs[rows]).sum(axis=1)
        return scores[:, 1:] - scores[:, :1] if self.single else scores

    def slope(self, parameters, rows, by_logits):
        by_scores = np.hstack([-by_logits, by_logits]) if self.single else by_logits
        weights = self._weights(parameters, rows)
        by_weights = (self.probs[rows] * by_scores[:, None]).sum(axis=2)
        if self.activation == "tanh":
            before = by_weights * (1 - weights**2)
        else:
            before = weights * (by_weights - (weights * by_weights).sum(axis=1, keepdims=True))
        return np.r_[(self.interaction[rows].T @ before).ravel(), before.sum(axis=0)]

    def _weights(self, parameters, rows):
        kernel = parameters[: -self.members].reshape(-1, self.members)
        before = self.interaction[rows] @ kernel + parameters[-self.members :]
        return np.tanh(before) if self.activation == "tanh" else special.softmax(before, axis=1)


def _of_keras(loss):
    """Returns a loss from logits as a function of arrays, to losses and their derivatives."""

    @tf.function(reduce_retracing=True)
    def with_slopes(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss.call(labels, logits)
        return losses, tape.gradient(losses, logits)

    def of_arrays(labels, logits):
        given = tf.constant(labels[:, None], tf.int32), tf.constant(logits, tf.float32)
        return tuple(array.numpy().astype(np.float64) for array in with_slopes(*given))

    return of_arrays


def _fit(layer, problem, folds, spreads, seed) -> Combined:
    if folds is None:
        folds = group_folds(problem.labels, problem.groups, folds=FOLDS, seed=seed)
    fitted = cross_fit(problem, folds=folds, spreads=spreads, seed=seed)
    sizes = np.cumsum([weight.size for weight in layer.get_weights()])[:-1]
    parts = np.split(fitted.parameters, sizes)
    layer.set_weights([p.reshape(w.shape) for p, w in zip(parts, layer.weights, strict=True)])
    return Combined(layer, fitted.out_of_fold, fitted.spread)


def _built(layer, logits):
    layer.build((None, *logits.shape[1:]))
    return layer


def _flat(layer) -> np.ndarray:
    return np.concatenate([weight.ravel() for weight in layer.get_weights()]).astype(np.float64)


def _checked(member_logits, labels, groups, folds):
    logits = np.asarray(member_logits, np.float64)
    labels, groups = np.asarray(labels), np.asarray(groups)
    if logits.ndim != 3 or not np.isfinite(logits).all():
        raise ValueError(
            "member_logits must be finite, [n, members, outputs]. "
            f"Received: shape {logits.shape}, {np.count_nonzero(~np.isfinite(logits))} not finite"
        )
    num_classes = max(2, logits.shape[2])
    if not labels.shape == groups.shape == (len(logits),):
        raise ValueError(
            f"expected a label and a group for each of {len(logits)} images. "
            f"Received: labels {labels.shape}, groups {groups.shape}"
        )
    if not np.array_equal(np.unique(labels), np.arange(num_classes)):
        raise ValueError(
            f"every class from 0 to {num_classes - 1} needs an image. "
            f"Received: labels of {np.unique(labels).tolist()}"
        )
    for fold in () if folds is None else np.unique(folds):
        if len(np.unique(labels[folds != fold])) < num_classes:
            raise ValueError(
                f"every class must occur outside every fold; fold {fold} has one whole"
            )
    return logits, labels.astype(np.int64), groups
