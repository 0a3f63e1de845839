"""ResNet 18, 34, 50 and 101 as torchvision has them (v1.5), without pooling and classifier.

Source: He et al. 2015, arXiv:1512.03385; torchvision 0.28.0, models/resnet.py.
`keras.applications.ResNet50` is another network (v1): stride on the first 1x1
convolution, convolutions with bias, epsilon 1.001e-5.
"""

from functools import partial

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, max_pool, normalize, relu

_WIDTHS = (64, 128, 256, 512)
_HEAT_MAP = 3  # the stage before the last down-sampling


def build(
    *,
    blocks,
    bottleneck,
    image_size,
    channels,
    batch_norm="train",
    zero_init_residual=True,
    name="backbone",
):
    """Returns a ResNet from the input image to the last feature map.

    Args:
      blocks: number of residual blocks in each of the four stages.
      bottleneck: True for blocks of 1x1, 3x3 and 1x1 convolutions (ResNet50,
        101), False for two 3x3 convolutions (ResNet18, 34).
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      zero_init_residual: start the last gamma of each block at 0, so that each
        block starts as the identity (Goyal et al. 2017, arXiv:1706.02677).
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 32, image_size / 32, 512 or 2048], rounded up.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    image = image_input(image_size, channels)
    norm = partial(normalize, mode=batch_norm)
    x = convolution(image, 64, 7, strides=2, name="conv1")
    x = relu(norm(x, name="bn1"), name="relu")
    x = max_pool(x, name="maxpool")
    block = _bottleneck_block if bottleneck else _basic_block
    for stage, (width, repeats) in enumerate(zip(_WIDTHS, blocks, strict=True), start=1):
        for index in range(repeats):
            strides = 2 if stage > 1 and index == 0 else 1
            x = block(
                x,
                width,
                strides=strides,
                norm=norm,
                zero_gamma=zero_init_residual,
                name=f"layer{stage}_{index}",
            )
        x = heat_map_here(x) if stage == _HEAT_MAP else x
    return keras.Model(image, x, name=name)


resnet18 = partial(build, blocks=(2, 2, 2, 2), bottleneck=False)
resnet34 = partial(build, blocks=(3, 4, 6, 3), bottleneck=False)
resnet50 = partial(build, blocks=(3, 4, 6, 3), bottleneck=True)
resnet101 = partial(build, blocks=(3, 4, 23, 3), bottleneck=True)


def _basic_block(x, width, *, strides, norm, zero_gamma, name):
    y = convolution(x, width, 3, strides=strides, name=f"{name}_conv1")
    y = relu(norm(y, name=f"{name}_bn1"), name=f"{name}_relu1")
    y = convolution(y, width, 3, name=f"{name}_conv2")
    y = norm(y, zero_gamma=zero_gamma, name=f"{name}_bn2")
    return _add(_shortcut(x, width, strides=strides, norm=norm, name=name), y, name=name)


def _bottleneck_block(x, width, *, strides, norm, zero_gamma, name):
    y = convolution(x, width, 1, name=f"{name}_conv1")
    y = relu(norm(y, name=f"{name}_bn1"), name=f"{name}_relu1")
    y = convolution(y, width, 3, strides=strides, name=f"{name}_conv2")
    y = relu(norm(y, name=f"{name}_bn2"), name=f"{name}_relu2")
    y = convolution(y, 4 * width, 1, name=f"{name}_conv3")
    y = norm(y, zero_gamma=zero_gamma, name=f"{name}_bn3")
    return _add(_shortcut(x, 4 * width, strides=strides, norm=norm, name=name), y, name=name)


def _shortcut(x, filters, *, strides, norm, name):
    if strides == 1 and x.shape[-1] == filters:
        return x
    x = convolution(x, filters, 1, strides=strides, name=f"{name}_downsample_0")
    return norm(x, name=f"{name}_downsample_1")


def _add(shortcut, residual, *, name):
    return relu(keras.layers.Add(name=f"{name}_add")([shortcut, residual]), name=f"{name}_relu")
