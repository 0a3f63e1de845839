"""How a PyTorch tensor lies in memory and how the same numbers lie in a Keras variable.

PyTorch keeps a convolution's kernel as (out, in, height, width), a depthwise one as
(channel, 1, height, width) and a linear layer's weight as (out, in); Keras wants (height, width,
in, out), (height, width, channel, 1) and (in, out).
"""

import enum

import numpy as np


class Layout(enum.Enum):
    """The kinds of parameters; the value is the order of PyTorch's axes in Keras."""

    CONVOLUTION = (2, 3, 1, 0)
    DEPTHWISE = (2, 3, 0, 1)
    LINEAR = (1, 0)
    VECTOR = (0,)

    def to_keras(self, tensor):
        """Returns PyTorch's array with its axes in Keras' order, a view."""
        return np.transpose(tensor, self.value)

    def torch_shape(self, keras_shape):
        """Returns the shape PyTorch gives what Keras has in keras_shape."""
        return tuple(keras_shape[self.value.index(axis)] for axis in range(len(self.value)))
