"""Inception v3 as torchvision has it, without its auxiliary classifier, pooling and head.

Source: Szegedy et al. 2015, arXiv:1512.00567; torchvision 0.28.0, models/inception.py. The
auxiliary classifier acts in torchvision's training only, and is left out. torchvision's
`transform_input` turns ImageNet's mean and std into 0.5 and 0.5: here the input contract has these.
"""

from functools import partial

import keras

from tfcovid.models.layers import (
    convolution,
    heat_map_here,
    image_input,
    max_pool,
    normalize,
    pad,
    relu,
)

_EPSILON = 1e-3  # of every batch norm, where the other networks have 1e-5


def inception_v3(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns Inception v3 from the input image to the last feature map.

    Args:
      image_size: side of the square input, px, at least 75; or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to [batch, side, side, 2048], side 8 at
      299 px, 5 at 224 px and 1 at 75 px.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    image = image_input(image_size, channels)
    conv = partial(_conv_norm_relu, mode=batch_norm)
    x = conv(image, 32, 3, strides=2, padding=0, name="Conv2d_1a_3x3")
    x = conv(x, 32, 3, padding=0, name="Conv2d_2a_3x3")
    x = conv(x, 64, 3, name="Conv2d_2b_3x3")
    x = max_pool(x, padding=0, name="maxpool1")
    x = conv(x, 80, 1, name="Conv2d_3b_1x1")
    x = conv(x, 192, 3, padding=0, name="Conv2d_4a_3x3")
    x = max_pool(x, padding=0, name="maxpool2")
    for letter, pooled in zip("bcd", (32, 64, 64), strict=True):
        x = _block_a(x, pooled, conv, name=f"Mixed_5{letter}")
    x = _block_b(x, conv, name="Mixed_6a")
    for letter, width in zip("bcde", (128, 160, 160, 192), strict=True):
        x = _block_c(x, width, conv, name=f"Mixed_6{letter}")
    x = heat_map_here(x)
    x = _block_d(x, conv, name="Mixed_7a")
    for letter in "bc":
        x = _block_e(x, conv, name=f"Mixed_7{letter}")
    return keras.Model(image, x, name=name)


def _conv_norm_relu(x, filters, kernel_size, *, mode, strides=1, padding=None, name):
    x = convolution(x, filters, kernel_size, strides=strides, padding=padding, name=f"{name}_conv")
    return relu(normalize(x, mode=mode, epsilon=_EPSILON, name=f"{name}_bn"), name=f"{name}_relu")


def _chain(x, conv, layers, *, name):
    """Returns x through convolutions NAME_1, NAME_2, … of (filters, kernel size)."""
    for number, (filters, kernel_size) in enumerate(layers, start=1):
        x = conv(x, filters, kernel_size, name=f"{name}_{number}")
    return x


def _block_a(x, pooled, conv, *, name):
    branches = [
        conv(x, 64, 1, name=f"{name}_branch1x1"),
        _chain(x, conv, ((48, 1), (64, 5)), name=f"{name}_branch5x5"),
        _chain(x, conv, ((64, 1), (96, 3), (96, 3)), name=f"{name}_branch3x3dbl"),
        _average_branch(x, pooled, conv, name=name),
    ]
    return _join(branches, name=name)


def _block_b(x, conv, *, name):
    double = _chain(x, conv, ((64, 1), (96, 3)), name=f"{name}_branch3x3dbl")
    branches = [
        conv(x, 384, 3, strides=2, padding=0, name=f"{name}_branch3x3"),
        conv(double, 96, 3, strides=2, padding=0, name=f"{name}_branch3x3dbl_3"),
        max_pool(x, padding=0, name=f"{name}_pool"),
    ]
    return _join(branches, name=name)


def _block_c(x, width, conv, *, name):
    row, column = (1, 7), (7, 1)
    double = ((width, 1), (width, column), (width, row), (width, column), (192, row))
    branches = [
        conv(x, 192, 1, name=f"{name}_branch1x1"),
        _chain(x, conv, ((width, 1), (width, row), (192, column)), name=f"{name}_branch7x7"),
        _chain(x, conv, double, name=f"{name}_branch7x7dbl"),
        _average_branch(x, 192, conv, name=name),
    ]
    return _join(branches, name=name)


def _block_d(x, conv, *, name):
    seven = _chain(x, conv, ((192, 1), (192, (1, 7)), (192, (7, 1))), name=f"{name}_branch7x7x3")
    three = conv(x, 192, 1, name=f"{name}_branch3x3_1")
    branches = [
        conv(three, 320, 3, strides=2, padding=0, name=f"{name}_branch3x3_2"),
        conv(seven, 192, 3, strides=2, padding=0, name=f"{name}_branch7x7x3_4"),
        max_pool(x, padding=0, name=f"{name}_pool"),
    ]
    return _join(branches, name=name)


def _block_e(x, conv, *, name):
    three = conv(x, 384, 1, name=f"{name}_branch3x3_1")
    double = _chain(x, conv, ((448, 1), (384, 3)), name=f"{name}_branch3x3dbl")
    branches = [
        conv(x, 320, 1, name=f"{name}_branch1x1"),
        conv(three, 384, (1, 3), name=f"{name}_branch3x3_2a"),
        conv(three, 384, (3, 1), name=f"{name}_branch3x3_2b"),
        conv(double, 384, (1, 3), name=f"{name}_branch3x3dbl_3a"),
        conv(double, 384, (3, 1), name=f"{name}_branch3x3dbl_3b"),
        _average_branch(x, 192, conv, name=name),
    ]
    return _join(branches, name=name)


def _average_branch(x, filters, conv, *, name):
    """Returns the 3x3 average, the zeros around counted as PyTorch does, and a 1x1 convolution."""
    pool = keras.layers.AveragePooling2D(3, strides=1, padding="valid", name=f"{name}_avgpool")
    x = pool(pad(x, 1, name=f"{name}_avgpool"))
    return conv(x, filters, 1, name=f"{name}_branch_pool")


def _join(branches, *, name):
    return keras.layers.Concatenate(name=f"{name}_concat")(branches)
