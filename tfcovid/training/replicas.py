"""Makes Keras' `fit` exact when the batch is shared between replicas.

Keras 3.15 trains under `MirroredStrategy` and `MultiWorkerMirroredStrategy` only half
(keras-team/keras#20585, #20329): it reduces the first batch to build the model, takes each
replica's loss as that of an equal part of the batch, and averages the replicas' running figures.
`share` puts three methods of one compiled model in their place, so that N replicas take the step
that one process takes with the whole batch: the weighted sum of the losses over the number of
images of the whole batch, short and empty parts included.
"""

import functools
from typing import Any

import keras
import tensorflow as tf

from tfcovid.models.batch_norm import part_of_batch

PRIVATE_NAMES = (
    "_compile_metrics",
    "_distribute_strategy",
    "_loss_tracker",
    "_maybe_symbolic_build",
)
"""What this module needs of Keras beside its interface; a test says when they go."""

_SUM = tf.distribute.ReduceOp.SUM


def share(model: keras.Model, labels: keras.KerasTensor) -> None:
    """Makes `fit` and `evaluate` of a model exact over the replicas of its strategy.

    Args:
      model: built and compiled inside the strategy's scope, with a loss whose `call` gives one
        number an image, and with metrics that take no weights.
      labels: shape and type of a batch of them.

    Raises:
      ValueError: if it was not.
    """
    if model._distribute_strategy is None or not model.compiled:
        raise ValueError("expected a model that was built and compiled inside a strategy's scope")
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
        model._compile_metrics.build(labels, keras.KerasTensor(model.output_shape))
    model._maybe_symbolic_build = _built_before
    model.train_step = functools.partial(_train_step, model)
    model.test_step = functools.partial(_test_step, model)


def _built_before(iterator: Any = None, data_batch: Any = None) -> None:
    """Does nothing: Keras would take a batch from the stream, and reduce it over the replicas."""


def _train_step(model: keras.Model, data: Any) -> dict[str, tf.Tensor]:
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        logits = _logits(model, images, training=True)
        loss = _share_of_loss(model, labels, logits, weights)
        scaled = model.optimizer.scale_loss(loss)
    variables = model.trainable_weights
    model.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
    return _figures(model, labels, logits)


def _test_step(model: keras.Model, data: Any) -> dict[str, tf.Tensor]:
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    logits = _logits(model, images, training=False)
    _share_of_loss(model, labels, logits, weights)
    return _figures(model, labels, logits)


def _logits(model: keras.Model, images: tf.Tensor, *, training: bool) -> tf.Tensor:
    """Returns the logits of this replica's part of the batch, which may be empty."""
    count = tf.shape(images)[0]
    blanks = tf.zeros(
        tf.concat([[tf.maximum(1 - count, 0)], tf.shape(images)[1:]], 0), images.dtype
    )
    with part_of_batch(tf.minimum(count, 1)):
        logits = model(tf.concat([images, blanks], axis=0), training=training)
    return logits[:count]


def _share_of_loss(
    model: keras.Model, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
) -> tf.Tensor:
    """Returns what this replica adds to the loss of the whole batch, and counts its images."""
    context = tf.distribute.get_replica_context()
    each = model.loss.call(labels, logits)
    if weights is not None:
        each *= tf.cast(weights, each.dtype)
    total, images = tf.reduce_sum(each), tf.cast(tf.shape(each)[0], each.dtype)
    penalty = tf.add_n([tf.cast(one, each.dtype) for one in model.losses]) if model.losses else 0.0
    model._loss_tracker.update_state(
        tf.math.divide_no_nan(total, images) + penalty, sample_weight=images
    )
    whole = _over_all(images)
    return tf.math.divide_no_nan(total, whole) + penalty / context.num_replicas_in_sync


def _figures(model: keras.Model, labels: tf.Tensor, logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the running figures over all replicas, the same in each of them."""
    model._compile_metrics.update_state(labels, logits)
    summed = [(one, _over_all(tf.convert_to_tensor(one.value))) for one in model.metrics_variables]
    with keras.StatelessScope(state_mapping=summed):
        figures = model.get_metrics_result()
    # Several workers' figures are averaged over their first axis, which a scalar does not have.
    return {name: tf.reshape(value, (1,)) for name, value in figures.items()}


def _over_all(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum of a value over all replicas."""
    context = tf.distribute.get_replica_context()
    # One replica a worker: TensorFlow asks the tensor for its device, which has to be named.
    with tf.device(tf.distribute.get_strategy().extended.worker_devices[0]):
        return context.all_reduce(_SUM, tf.identity(value))
