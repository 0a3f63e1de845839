"""MobileNetV2 as torchvision has it, without pooling and classifier.

Source: Sandler et al. 2018, arXiv:1801.04381; torchvision 0.28.0,
models/mobilenetv2.py. `keras.applications.MobileNetV2` pads its strided layers
on the bottom and right only, and is another network for PyTorch's weights.
"""

from functools import partial

import keras

from tfcovid.models.layers import (
    convolution,
    depthwise_convolution,
    heat_map_here,
    image_input,
    normalize,
    relu6,
)

# expansion, output channels, repeats, stride of the first (table 2 of the paper)
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# The block of the last down-sampling; its expanded input has no value below 0.
_HEAT_MAP = "features_14"


def mobilenet_v2(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns MobileNetV2 (width 1.0) from the input image to the last feature map.

    Args:
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 32, image_size / 32, 1280], rounded up.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    image = image_input(image_size, channels)
    norm = partial(normalize, mode=batch_norm)
    x = convolution(image, 32, 3, strides=2, name="features_0_0")
    x = relu6(norm(x, name="features_0_1"), name="features_0_2")
    index = 1
    for expansion, filters, repeats, first_stride in _STAGES:
        for repeat in range(repeats):
            strides = first_stride if repeat == 0 else 1
            x = _inverted_residual(x, expansion, filters, strides, norm, name=f"features_{index}")
            index += 1
    x = convolution(x, 1280, 1, name=f"features_{index}_0")
    x = relu6(norm(x, name=f"features_{index}_1"), name=f"features_{index}_2")
    return keras.Model(image, x, name=name)


def _inverted_residual(x, expansion, filters, strides, norm, *, name):
    y, part = x, 0
    if expansion > 1:
        y = convolution(y, expansion * x.shape[-1], 1, name=f"{name}_conv_0_0")
        y = relu6(norm(y, name=f"{name}_conv_0_1"), name=f"{name}_conv_0_2")
        y = heat_map_here(y) if name == _HEAT_MAP else y
        part = 1
    y = depthwise_convolution(y, strides=strides, name=f"{name}_conv_{part}_0")
    y = relu6(norm(y, name=f"{name}_conv_{part}_1"), name=f"{name}_conv_{part}_2")
    y = convolution(y, filters, 1, name=f"{name}_conv_{part + 1}")
    y = norm(y, name=f"{name}_conv_{part + 2}")
    if strides == 1 and x.shape[-1] == filters:
        return keras.layers.Add(name=f"{name}_add")([x, y])
    return y
