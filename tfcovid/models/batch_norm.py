"""Batch normalisation: Keras' numbers at the speed of one fused TensorFlow operation."""

import contextlib
import threading

import keras
from keras import ops

_FUSED_DTYPES = ("float32", "bfloat16", "float16")
_PART = threading.local()


@contextlib.contextmanager
def part_of_batch(has_images):
    """Tells layers that are called inside whether this replica has any image of the shared batch.

    A replica without one is given a blank in its place: oneDNN's convolution gives an empty batch
    the wrong shape. What is synchronised over the replicas then leaves the blank out.

    Args:
      has_images: scalar tensor, 1 or 0.
    """
    _PART.has_images = has_images
    try:
        yield
    finally:
        _PART.has_images = None


@keras.saving.register_keras_serializable(package="tfcovid")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, computed by `FusedBatchNormV3` where that is possible.

    Outputs, gradients and moving statistics are those of the Keras layer; in
    particular the moving variance takes the biased batch variance (divided by
    n), where the fused operation and PyTorch use n - 1. Keras builds the same
    result from moments and element-wise operations, which take about half of a
    ResNet50 training step on a CPU.

    The fused path needs the TensorFlow backend, a 4-D input with channels last
    in float32, bfloat16 or float16, and gamma and beta. Everything else (other
    backends, `synchronized=True`, `renorm=True`, masks, float64) is computed
    by the Keras layer.

    Args:
      statistics: 'batch' to normalise with the statistics of the batch while
        training and update the moving ones, as Keras does; 'stored' to
        normalise with the moving statistics always and never change them,
        while gamma and beta stay trainable (Keras' `trainable=False` freezes
        those too).
      **kwargs: arguments of `keras.layers.BatchNormalization`.

    Raises:
      ValueError: if `statistics` is neither 'batch' nor 'stored'.
    """

    def __init__(self, *, statistics="batch", **kwargs):
        if statistics not in ("batch", "stored"):
            raise ValueError(
                f"statistics must be 'batch' or 'stored'. Received: statistics={statistics!r}"
            )
        super().__init__(**kwargs)
        self.statistics = statistics

    def call(self, inputs, training=None, mask=None):
        """Returns the normalised inputs, in the shape and dtype of the inputs."""
        training = bool(training) and self.statistics == "batch"
        if mask is not None or not self._can_fuse(inputs):
            return super().call(inputs, training=training, mask=mask)
        return self._fused(inputs, use_batch_statistics=training and self.trainable)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "statistics": self.statistics}

    def _moments(self, inputs, mask):
        has_images = getattr(_PART, "has_images", None)
        if has_images is None or mask is not None or not self.synchronized:
            return super()._moments(inputs, mask)
        import tensorflow as tf

        def over_all(part):
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, part)

        # Around the mean, as on one device: the difference of two large numbers, which Keras takes
        # here, loses small variances in float32. A blank counts nothing.
        present = ops.cast(has_images, inputs.dtype)
        count = present * ops.cast(ops.size(inputs) // ops.shape(inputs)[self.axis], inputs.dtype)
        total, count = over_all((present * ops.sum(inputs, self._reduction_axes), count))
        mean = total / count
        around = ops.square(inputs - ops.reshape(mean, self._one_per_channel(inputs)))
        return mean, over_all(present * ops.sum(around, self._reduction_axes)) / count

    def _one_per_channel(self, inputs):
        shape = [1] * len(inputs.shape)
        shape[self.axis] = inputs.shape[self.axis]
        return shape

    def _can_fuse(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
            and keras.backend.standardize_dtype(inputs.dtype) in _FUSED_DTYPES
            and self.compute_dtype == keras.backend.standardize_dtype(inputs.dtype)
        )

    def _fused(self, inputs, *, use_batch_statistics):
        import tensorflow as tf

        # The raw operation: `tf.nn.fused_batch_norm` would raise epsilon from 1e-5 to 1.001e-5.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.convert_to_tensor(self.gamma),
            offset=ops.convert_to_tensor(self.beta),
            mean=ops.convert_to_tensor(self.moving_mean),
            variance=ops.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=use_batch_statistics,
        )
        if use_batch_statistics:
            count = ops.cast(ops.prod(ops.shape(inputs)[:3]), variance.dtype)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * ((count - 1.0) / count))
        return outputs

    def _move(self, statistic, batch_value):
        statistic.assign(statistic * self.momentum + batch_value * (1.0 - self.momentum))
