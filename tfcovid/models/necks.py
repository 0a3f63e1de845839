"""What lies between the last feature map and the head: average pooling, or dense layers.

A neck ends in the layer POOL_LAYER, whose output [batch, num_features] is float32 whatever the
precision policy: the features that the head sees, and that controls and comparisons look at. The
dropout right before the head is the classifier's, not the neck's.
"""

import keras
from keras import ops

from tfcovid.models.layers import he_normal

POOL_LAYER = "pool"
"""Name of the layer that gives the features the head sees."""


def average_neck(feature_map):
    """Returns the average over height and width, computed in float32.

    Args:
      feature_map: [batch, height, width, channels].

    Returns:
      Features, float32 [batch, channels].
    """
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name=POOL_LAYER)(feature_map)


@keras.saving.register_keras_serializable(package="tfcovid")
class AdaptiveAverage(keras.layers.Layer):
    """Averages a feature map of any size to side x side, as PyTorch's AdaptiveAvgPool2d does.

    Value i of a row is the mean of the input from i * size / side, rounded down, to
    (i + 1) * size / side, rounded up: cells overlap where the sizes do not divide, and a smaller
    map is repeated. Keras 3.15's own AdaptiveAveragePooling2D gives the same, but fails in a graph
    on a map smaller than its output, and on one of unknown size.

    Args:
      side: height and width of the output.
      **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, side, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, feature_map):
        """Returns [batch, side, side, channels] of [batch, height, width, channels]."""
        _, height, width, _ = ops.shape(feature_map)
        rows, columns = (self._cells(size, feature_map.dtype) for size in (height, width))
        averaged = ops.einsum("ih,bhwc->biwc", rows, feature_map)
        return ops.einsum("jw,biwc->bijc", columns, averaged)

    def compute_output_shape(self, input_shape):
        """Returns (batch, side, side, channels)."""
        return (input_shape[0], self.side, self.side, input_shape[-1])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "side": self.side}

    def _cells(self, size, dtype):
        """Returns the weight of each of `size` values in each average, [side, size]."""
        cell = ops.arange(self.side)[:, None]
        first, behind = cell * size // self.side, -(-(cell + 1) * size // self.side)
        at = ops.arange(size)[None]
        inside = ops.cast((at >= first) & (at < behind), dtype)
        return inside / ops.cast(behind - first, dtype)


def dense_neck(feature_map, *, side, dense, dropouts):
    """Returns the features behind dense layers with ReLU, over an average of fixed size.

    The pooling and the last ReLU compute in float32, the dense layers by the precision policy:
    nearly all parameters of such a network are theirs.

    Args:
      feature_map: [batch, height, width, channels].
      side: to which the map is averaged, as PyTorch's adaptive pooling does; a smaller map is
        repeated.
      dense: (name, units) of each layer.
      dropouts: share of the inputs of each layer that is dropped while training, in [0, 1).

    Returns:
      Features, float32 [batch, units of the last layer].
    """
    layers = keras.layers
    x = AdaptiveAverage(side, dtype="float32", name="avgpool")(feature_map)
    x = layers.Flatten(name="flatten")(x)
    for index, ((name, units), share) in enumerate(zip(dense, dropouts, strict=True), start=1):
        if share:
            x = layers.Dropout(share, name=f"{name}_dropout")(x)
        x = layers.Dense(units, kernel_initializer=he_normal("fan_in"), name=name)(x)
        last = index == len(dense)
        x = layers.ReLU(
            dtype="float32" if last else None, name=POOL_LAYER if last else f"{name}_relu"
        )(x)
    return x
