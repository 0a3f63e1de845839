"""DenseNet121 as torchvision has it, without pooling and classifier.

Source: Huang et al. 2016, arXiv:1608.06993; torchvision 0.28.0,
models/densenet.py. It is the network of CheXNet (arXiv:1711.05225).
"""

from functools import partial

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, max_pool, normalize, relu

_BLOCKS = (6, 12, 24, 16)
_GROWTH_RATE = 32
_BOTTLENECK_WIDTH = 4 * _GROWTH_RATE


def densenet121(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns DenseNet121 from the input image to the last feature map.

    torchvision applies the last ReLU in `forward`, after the modules it calls
    `features`; here it is part of the feature map.

    Args:
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 32, image_size / 32, 1024], rounded down.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    image = image_input(image_size, channels)
    norm_relu = partial(_norm_relu, mode=batch_norm)
    x = convolution(image, 64, 7, strides=2, mode="fan_in", name="features_conv0")
    x = norm_relu(x, name="features_norm0")
    x = max_pool(x, name="features_pool0")
    for block, repeats in enumerate(_BLOCKS, start=1):
        for index in range(1, repeats + 1):
            x = _dense_layer(x, norm_relu, name=f"features_denseblock{block}_denselayer{index}")
        if block < len(_BLOCKS):
            x = _transition(
                x, norm_relu, name=f"features_transition{block}", drawn=block == len(_BLOCKS) - 1
            )
    x = norm_relu(x, name="features_norm5")
    return keras.Model(image, x, name=name)


def _dense_layer(x, norm_relu, *, name):
    y = norm_relu(x, name=f"{name}_norm1")
    y = convolution(y, _BOTTLENECK_WIDTH, 1, mode="fan_in", name=f"{name}_conv1")
    y = norm_relu(y, name=f"{name}_norm2")
    y = convolution(y, _GROWTH_RATE, 3, mode="fan_in", name=f"{name}_conv2")
    return keras.layers.Concatenate(name=f"{name}_concat")([x, y])


def _transition(x, norm_relu, *, name, drawn):
    x = norm_relu(x, name=f"{name}_norm")
    x = heat_map_here(x) if drawn else x
    x = convolution(x, x.shape[-1] // 2, 1, mode="fan_in", name=f"{name}_conv")
    return keras.layers.AveragePooling2D(2, padding="valid", name=f"{name}_pool")(x)


def _norm_relu(x, *, mode, name):
    return relu(normalize(x, mode=mode, name=name), name=f"{name}_relu")
