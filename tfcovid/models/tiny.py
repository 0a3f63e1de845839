"""A three-convolution network for tests and for trying out a pipeline in seconds.

It is nobody's published architecture and no result should be reported from it.
"""

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, normalize, relu

_FILTERS = (16, 32, 64)


def tiny(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns a network of three strided 3x3 convolutions, each with batch norm and ReLU.

    Args:
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 8, image_size / 8, 64], rounded up.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    x = image = image_input(image_size, channels)
    for index, filters in enumerate(_FILTERS, start=1):
        x = convolution(x, filters, 3, strides=2, name=f"conv{index}")
        x = relu(normalize(x, mode=batch_norm, name=f"bn{index}"), name=f"relu{index}")
        x = heat_map_here(x) if index == len(_FILTERS) - 1 else x
    return keras.Model(image, x, name=name)
