"""Streams batches: order and weighting per epoch, augmentation, network input.

Order and augmentation are functions of (seed, epoch, example), so a stream can start
at any (epoch, batch) and is the same whatever the parallelism.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfcovid.data.augment import Augmentation, augment
from tfcovid.data.feature_store import FeatureStore
from tfcovid.data.feeds import dealt
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing

# Batches ready ahead of the training step. A number, not AUTOTUNE, so that memory is bounded.
_PREFETCH_BATCHES = 4


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Returns the number of batches of an epoch, the last of which may be short."""
    return math.ceil(num_examples / batch_size)


def epoch_order(num_examples, *, seed, epoch, sampling_weights=None):
    """Returns the order of the examples in an epoch, a pure function of its arguments.

    Args:
      num_examples: n, at least 1.
      seed: int64 scalar, >= 0.
      epoch: int64 scalar, >= 0.
      sampling_weights: None shuffles; else n examples are drawn with replacement, each with a
        probability proportional to its weight, float64 [n], >= 0 with a positive sum.

    Returns:
      Positions, int64 [n], and how often each position occurred before in this epoch, int64 [n].
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    uniform = tf.random.stateless_uniform([num_examples], key, dtype=tf.float64, alg="philox")
    if sampling_weights is None:
        positions = tf.cast(tf.argsort(uniform, stable=True), tf.int64)
        return positions, tf.zeros([num_examples], tf.int64)
    cumulative = tf.cumsum(tf.cast(sampling_weights, tf.float64))
    drawn = tf.searchsorted(cumulative, uniform * cumulative[-1], side="right", out_type=tf.int64)
    # Rounding may put a draw on the end of the line: it belongs to the last possible example.
    last = tf.searchsorted(cumulative, cumulative[-1:], side="left", out_type=tf.int64)
    positions = tf.minimum(drawn, last)
    return positions, _occurrences(positions)


def batch_positions(num_examples, *, batch_size, batch, seed, epoch, sampling_weights=None):
    """Returns which examples a batch of `training_dataset` shows, as NumPy positions int64 [n].

    Args:
      num_examples: as in `epoch_order`, like seed, epoch and sampling_weights.
      batch_size: at least 1.
      batch: its place in the epoch, from 0.
    """
    order, _ = epoch_order(num_examples, seed=seed, epoch=epoch, sampling_weights=sampling_weights)
    return order.numpy()[batch * batch_size : (batch + 1) * batch_size]


def training_dataset(
    store: ImageStore | FeatureStore,
    indices: np.ndarray,
    labels: np.ndarray,
    *,
    preprocessing: Preprocessing | None,
    augmentation: Augmentation | None,
    batch_size: int,
    seed: int,
    example_weights: np.ndarray | None = None,
    sampling_weights: np.ndarray | None = None,
    start_epoch: int = 0,
    start_batch: int = 0,
    num_parallel_calls: int | None = None,
    replicas: int = 1,
    own: Sequence[int] = (0,),
    feeds: Sequence[str] = (),
) -> tf.data.Dataset:
    """Returns the endless stream of training batches, epoch after epoch.

    The last batch of an epoch is short where batch_size does not divide the examples. An
    example's identity for the augmentation is its index in the store. Where replicas share a
    batch, its parts come one after the other: every replica's n-th example of the batch, some of
    them perhaps empty.

    Args:
      store: the images, or features of them.
      indices: the training examples in the store, int [n].
      labels: their classes, int [n], or their label matrix, int [n, num_outputs].
      preprocessing: the network's input; None of features, which are taken as they are.
      augmentation: the ranges of the random changes, or None for none.
      batch_size: at least 1.
      seed: of order and augmentation, 0..2**63 - 1.
      example_weights: factors of the loss, float [n], or None for ones.
      sampling_weights: see `epoch_order`.
      start_epoch: epoch of the first batch.
      start_batch: place of the first batch in that epoch, below `steps_per_epoch`.
      num_parallel_calls: batches made at a time, which changes the speed only; None lets
        tf.data choose.
      replicas: that share each batch.
      own: numbers of those whose parts are wanted, in 0..replicas - 1.
      feeds: HOST:PORT of `tfcovid.feed` processes that make the batches in turn, which changes
        the speed only; none makes them here.

    Returns:
      Dataset of (input float32 [batch, size, size, channels], label int32 [batch] or
      [batch, num_outputs],
      weight float32 [batch]).

    Raises:
      ValueError: if the arguments do not fit each other, or a file of `indices` did not decode.
    """
    indices, labels = _checked_examples(store, indices, labels)
    weights = np.ones(len(indices)) if example_weights is None else example_weights
    weights = _checked_weights(weights, len(indices), "example_weights").astype(np.float32)
    steps = steps_per_epoch(len(indices), batch_size)
    if not (start_epoch >= 0 and 0 <= start_batch < steps):
        raise ValueError(
            f"The stream must start at an epoch >= 0 and a batch in 0..{steps - 1}. "
            f"Received: start_epoch={start_epoch}, start_batch={start_batch}."
        )
    if sampling_weights is not None:
        sampling_weights = _checked_weights(sampling_weights, len(indices), "sampling_weights")

    def batches_of_epoch(epoch):
        order = epoch_order(len(indices), seed=seed, epoch=epoch, sampling_weights=sampling_weights)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        done = tf.where(epoch == start_epoch, tf.constant(start_batch, tf.int64), 0)
        shared = shared_batches(batches.skip(done), replicas, own)
        return shared.map(lambda positions, occurrences: (positions, occurrences, epoch))

    def make_batch(positions, occurrences, epoch):
        chosen = tf.gather(indices, positions)
        images = store.fetch(chosen)
        if augmentation is not None:
            images = augment(
                images,
                augmentation,
                example_ids=chosen,
                occurrences=occurrences,
                epoch=epoch,
                seed=tf.constant(seed, tf.int64),
                preprocessing=preprocessing,
            )
        elif preprocessing is not None:
            images = preprocessing.stream_input(images)
        return images, tf.gather(labels, positions), tf.gather(weights, positions)

    def made(batches):
        calls = num_parallel_calls or tf.data.AUTOTUNE
        return batches.map(make_batch, num_parallel_calls=calls, deterministic=True)

    if feeds and not store.holds_no_pixels:
        raise ValueError(f"feeds: expected images read at each use. Received: {store.choice}.")
    # No Python function in the stream: one that runs ahead in a thread of tf.data would hang
    # the interpreter when it ends.
    epochs = tf.data.Dataset.range(start_epoch, np.iinfo(np.int64).max)
    return dealt(epochs.flat_map(batches_of_epoch), made, feeds).prefetch(_PREFETCH_BATCHES)


def evaluation_dataset(
    store: ImageStore | FeatureStore,
    indices: np.ndarray,
    labels: np.ndarray,
    *,
    preprocessing: Preprocessing | None,
    batch_size: int,
    num_parallel_calls: int | None = None,
    replicas: int = 1,
    own: Sequence[int] = (0,),
) -> tf.data.Dataset:
    """Returns the examples once, in the order given, unchanged, with a known number of batches.

    Where replicas share a batch, its parts come as in `training_dataset`.

    Args:
      store: the images, or features of them.
      indices: the examples in the store, int [n].
      labels: their classes, int [n], or their label matrix, int [n, num_outputs].
      preprocessing: the network's input; None of features, which are taken as they are.
      batch_size: at least 1.
      num_parallel_calls: batches made at a time; None lets tf.data choose.
      replicas: that share each batch.
      own: numbers of those whose parts are wanted, in 0..replicas - 1.

    Returns:
      Dataset of (input float32 [batch, size, size, channels], label int32 [batch] or
      [batch, num_outputs]).

    Raises:
      ValueError: if the arguments do not fit each other, or a file of `indices` did not decode.
    """
    indices, labels = _checked_examples(store, indices, labels)
    batches = tf.data.Dataset.from_tensor_slices((indices, labels)).batch(batch_size)
    count = steps_per_epoch(len(indices), batch_size) * len(own)

    def make_batch(chosen, label):
        seen = store.fetch(chosen)
        return (seen if preprocessing is None else preprocessing.stream_input(seen)), label

    return (
        shared_batches(batches, replicas, own)
        .apply(tf.data.experimental.assert_cardinality(count))
        .map(
            make_batch,
            num_parallel_calls=num_parallel_calls or tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(_PREFETCH_BATCHES)
    )


def shared_batches(batches: tf.data.Dataset, replicas: int, own: Sequence[int]) -> tf.data.Dataset:
    """Returns of each batch, tensors of one length, the parts of some of the replicas in turn."""
    if replicas == 1:
        return batches
    numbers = np.asarray(own, np.int64)

    def parts(*batch):
        return tf.data.Dataset.from_tensor_slices(numbers).map(
            lambda number: tuple(tensor[number::replicas] for tensor in batch)
        )

    return batches.flat_map(parts)


def _occurrences(positions):
    """Returns how often each value stands earlier in the tensor, int64 [n]."""
    by_value = tf.cast(tf.argsort(positions, stable=True), tf.int64)
    in_order = tf.gather(positions, by_value)
    starts = tf.searchsorted(in_order, in_order, side="left", out_type=tf.int64)
    earlier = tf.range(tf.size(positions, tf.int64)) - starts
    return tf.scatter_nd(by_value[:, None], earlier, tf.shape(positions, tf.int64))


def _checked_examples(store, indices, labels) -> tuple[np.ndarray, np.ndarray]:
    indices, labels = np.asarray(indices, np.int64), np.asarray(labels, np.int32)
    if not len(indices) or indices.shape != labels.shape[:1] or labels.ndim > 2:
        raise ValueError(
            "indices and labels must be two non-empty lists of one length; a label is a class or a "
            "row of a label matrix. "
            f"Received: shapes {indices.shape} and {labels.shape}."
        )
    store.check_indices(indices)
    return indices, labels


def _checked_weights(weights, num_examples: int, name: str) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (num_examples,) or not np.all(np.isfinite(weights) & (weights >= 0)):
        raise ValueError(
            f"{name} must be {num_examples} finite numbers >= 0, one per example. "
            f"Received: shape {weights.shape}."
        )
    if not weights.any():
        raise ValueError(f"{name} must not all be zero.")
    return weights
