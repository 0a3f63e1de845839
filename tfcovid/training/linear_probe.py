"""Linear heads on features that stay as they are, trained as the head of a network is.

Under the project's own losses, on batches, with class weights or weighted sampling. Several
strengths of L2 are trained side by side on the same batches, and the validation split chooses
among them and among the epochs.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from tfcovid.data.pipeline import epoch_order

# Chosen on validation, on CoronaHack with a MobileNetV2: at a learning rate of 1e-3 a hundred
# epochs do not suffice, at 3e-2 the loss is worse again; the best strength of L2 lies inside.
L2_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
BATCH_SIZE, LEARNING_RATE, MAX_EPOCHS, PATIENCE = 256, 1e-2, 100, 10


@dataclasses.dataclass(frozen=True)
class LinearProbe:
    """A fitted head; features are standardised by the training split's mean and deviation.

    Attributes:
      mean: of each feature, float32 [num_features].
      deviation: likewise, > 0.
      kernel: float32 [num_features, num_outputs].
      bias: float32 [num_outputs].
      l2: the strength that validation chose.
      epochs: how many, likewise; 0 is the initial head.
      validation_loss: class-averaged log-loss there, in nats.
    """

    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    l2: float
    epochs: int
    validation_loss: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns logits float32 [n, num_outputs] of features [n, num_features]."""
        return (features - self.mean) / self.deviation @ self.kernel + self.bias


def fit_probes(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
    *,
    loss: keras.losses.Loss,
    head_bias: np.ndarray,
    seeds: Sequence[int],
    example_weights: np.ndarray | None = None,
    sampling_weights: np.ndarray | None = None,
    l2_strengths: Sequence[float] = L2_STRENGTHS,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE,
    max_epochs: int = MAX_EPOCHS,
    patience: int = PATIENCE,
) -> list[LinearProbe]:
    """Returns a head for each seed: the strength of L2 and the epoch with the best validation loss.

    Minimises sum(w * loss) / batch size + l2 / 2 * |kernel|^2 with Adam. A seed decides the
    initial kernel, the order of the images and, under weighted sampling, which are drawn.

    Args:
      features: of the training images, float32 [n, num_features].
      labels: class indices int [n].
      validation_features: float32 [m, num_features].
      validation_labels: class indices int [m].
      loss: from logits, one of the project's.
      head_bias: initial bias [num_outputs]: 1 output for two classes, else one a class.
      seeds: at least one.
      example_weights: factors of the loss, float [n], or None for ones.
      sampling_weights: how often each image is drawn relative to uniform, or None.
      l2_strengths: at least one, each >= 0.
      batch_size: images a step.
      learning_rate: of Adam.
      max_epochs: at most so many.
      patience: ends when no strength has improved for so many epochs.

    Raises:
      FloatingPointError: if no validation loss is finite.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    # A feature that never moves says nothing, and must not be divided by nothing.
    deviation = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
    trainer = _Trainer(
        (features - mean) / deviation,
        labels,
        np.ones(len(labels)) if example_weights is None else example_weights,
        loss=loss,
        num_outputs=len(head_bias),
        l2_strengths=l2_strengths,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    standardised = (validation_features - mean) / deviation
    probes = []
    for seed in seeds:
        trainer.start(seed, head_bias)
        best = _fit(
            trainer,
            lambda logits: class_averaged_log_loss(logits, validation_labels),
            standardised,
            seed=seed,
            sampling_weights=sampling_weights,
            max_epochs=max_epochs,
            patience=patience,
        )
        index = int(np.argmin(best.losses))
        probes.append(
            LinearProbe(
                mean=mean,
                deviation=deviation,
                kernel=best.kernels[:, index].copy(),
                bias=best.biases[index].copy(),
                l2=float(l2_strengths[index]),
                epochs=int(best.epochs[index]),
                validation_loss=float(best.losses[index]),
            )
        )
    return probes


def class_averaged_log_loss(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the log-loss in which every class counts the same, in nats, float64 [k].

    As `metrics.macro_log_loss.MacroLogLoss`, of several heads at a time.

    Args:
      logits: float [n, k, num_outputs]; a single output is the log odds of the second class.
      labels: class indices int [n].
    """
    logits = logits.astype(np.float64)
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    log_probs = special.log_softmax(logits, axis=-1)
    of_truth = log_probs[np.arange(len(labels)), :, labels]
    return -np.mean([of_truth[labels == c].mean(axis=0) for c in np.unique(labels)], axis=0)


@dataclasses.dataclass
class _Best:
    """The best epoch of each strength of L2 so far."""

    losses: np.ndarray
    epochs: np.ndarray
    kernels: np.ndarray
    biases: np.ndarray


def _fit(
    trainer, validation_loss, features, *, seed, sampling_weights, max_epochs, patience
) -> _Best:
    kernels, biases = trainer.values()
    losses = validation_loss(_logits(features, kernels, biases))
    best = _Best(losses, np.zeros(len(losses), int), kernels, biases)
    for epoch in range(max_epochs):
        order, _ = epoch_order(
            trainer.num_examples, seed=seed, epoch=epoch, sampling_weights=sampling_weights
        )
        trainer.train(tf.cast(order, tf.int32))
        kernels, biases = trainer.values()
        losses = validation_loss(_logits(features, kernels, biases))
        better = losses < best.losses
        best.losses[better], best.epochs[better] = losses[better], epoch + 1
        best.kernels[:, better], best.biases[better] = kernels[:, better], biases[better]
        if epoch + 1 - best.epochs.max() >= patience:
            break
    if not np.isfinite(best.losses).any():
        raise FloatingPointError("linear probe: no validation loss is finite")
    return best


def _logits(features: np.ndarray, kernels: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Returns logits [n, strengths, outputs] of standardised features."""
    return np.tensordot(features, kernels, 1) + biases


class _Trainer:
    """The heads of all strengths of L2: one multiplication a step, one compiled function."""

    def __init__(
        self,
        features,
        labels,
        weights,
        *,
        loss,
        num_outputs,
        l2_strengths,
        batch_size,
        learning_rate,
    ):
        self.num_examples = len(features)
        self._shape = (features.shape[1], len(l2_strengths), num_outputs)
        self._features = tf.constant(features, tf.float32)
        self._labels = tf.constant(labels[:, None], tf.int32)
        self._weights = tf.constant(weights, tf.float32)
        self._l2 = tf.constant(l2_strengths, tf.float32)
        self._loss, self._batch_size = loss, batch_size
        self._kernel = keras.Variable(np.zeros(self._shape, np.float32), name="kernel")
        self._bias = keras.Variable(np.zeros(self._shape[1:], np.float32), name="bias")
        self._optimizer = keras.optimizers.Adam(learning_rate)
        self._optimizer.build([self._kernel, self._bias])
        self._initial = [variable.numpy() for variable in self._optimizer.variables]
        self.train = tf.function(self._train, reduce_retracing=True)

    def start(self, seed: int, head_bias: np.ndarray) -> None:
        """Sets kernel, bias and optimizer to their start; each strength starts alike."""
        num_features, strengths, num_outputs = self._shape
        limit = np.sqrt(6 / (num_features + num_outputs))  # Glorot and Bengio 2010, uniform
        start = np.random.default_rng(seed).uniform(-limit, limit, (num_features, 1, num_outputs))
        self._kernel.assign(np.repeat(start, strengths, axis=1).astype(np.float32))
        self._bias.assign(np.tile(head_bias, (strengths, 1)).astype(np.float32))
        for variable, value in zip(self._optimizer.variables, self._initial, strict=True):
            variable.assign(value)

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns kernel and bias as arrays of their own."""
        return np.array(self._kernel.value), np.array(self._bias.value)

    def _train(self, order):
        """Takes a step on each batch of an epoch; the last one may be short."""
        for first in tf.range(0, tf.size(order), self._batch_size):
            self._step(order[first : first + self._batch_size])

    def _step(self, batch):
        labels = tf.gather(self._labels, batch)
        weights = tf.gather(self._weights, batch)
        num_features, strengths, num_outputs = self._shape
        variables = [self._kernel, self._bias]
        with tf.GradientTape() as tape:
            flat = tf.reshape(self._kernel.value, (num_features, strengths * num_outputs))
            scores = tf.gather(self._features, batch) @ flat
            logits = tf.reshape(scores, (-1, strengths, num_outputs)) + self._bias.value
            # Each image stands once for each strength: one call of the loss for all of them.
            losses = self._loss.call(
                tf.repeat(labels, strengths, axis=0), tf.reshape(logits, (-1, num_outputs))
            )
            weighted = tf.repeat(weights, strengths) * losses
            of_data = tf.reduce_sum(weighted) / tf.cast(tf.size(batch), tf.float32)
            squares = tf.reduce_sum(tf.square(self._kernel.value), axis=(0, 2))
            total = of_data + tf.reduce_sum(self._l2 * squares) / 2
        gradients = tape.gradient(total, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables)
