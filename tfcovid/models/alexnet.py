"""AlexNet as torchvision has it: the feature map, and the dense layers before the head.

Source: Krizhevsky 2014, arXiv:1404.5997 (the second, one-column AlexNet, without local response
normalisation); torchvision 0.28.0, models/alexnet.py.
"""

from functools import partial

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, max_pool, relu
from tfcovid.models.necks import dense_neck


def alexnet(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns AlexNet's five convolutions, from the input image to the last, pooled feature map.

    torchvision leaves the kernels at PyTorch's default, a sixth of He's variance, with which a
    network without batch norm hardly starts; here they have He's.

    Args:
      image_size: side of the square input, px, at least 63; or None for any size.
      channels: number of input channels.
      batch_norm: has no effect: there is none.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to [batch, side, side, 256], side 6 at
      224 px and 1 at 63 px.
    """
    del batch_norm
    image = image_input(image_size, channels)
    conv = partial(convolution, use_bias=True, mode="fan_in")
    x = conv(image, 64, 11, strides=4, padding=2, name="features_0")
    x = max_pool(relu(x, name="features_1"), padding=0, name="features_2")
    x = conv(x, 192, 5, name="features_3")
    x = max_pool(relu(x, name="features_4"), padding=0, name="features_5")
    x = relu(conv(x, 384, 3, name="features_6"), name="features_7")
    x = relu(conv(x, 256, 3, name="features_8"), name="features_9")
    x = relu(conv(x, 256, 3, name="features_10"), name="features_11")
    x = max_pool(heat_map_here(x), padding=0, name="features_12")
    return keras.Model(image, x, name=name)


neck = partial(
    dense_neck,
    side=6,
    dense=(("classifier_1", 4096), ("classifier_4", 4096)),
    dropouts=(0.5, 0.5),
)
