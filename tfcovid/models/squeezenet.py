"""SqueezeNet 1.1 as torchvision has it, without its head.

Source: Iandola et al. 2016, arXiv:1602.07360; torchvision 0.28.0, models/squeezenet.py.

The published head is a 1x1 convolution, a ReLU and the average over the map. Here it is the average
and a linear layer: the same numbers without the ReLU, which is left out because a logit must be
able to be negative (one sigmoid for two classes, a bias that starts at the log of the prior).
"""

from functools import partial

import keras

from tfcovid.models.layers import CEIL, convolution, heat_map_here, image_input, max_pool, relu

# index in torchvision's `features` -> filters of squeeze, and of each of the two expansions
_FIRES = {
    3: (16, 64),
    4: (16, 64),
    6: (32, 128),
    7: (32, 128),
    9: (48, 192),
    10: (48, 192),
    11: (64, 256),
    12: (64, 256),
}
_POOLS = (5, 8)

_convolution = partial(convolution, use_bias=True, mode="fan_in")


def squeezenet(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns SqueezeNet 1.1 from the input image to the last feature map.

    Args:
      image_size: side of the square input, px, at least 17; or None for any size.
      channels: number of input channels.
      batch_norm: has no effect: there is none.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to [batch, side, side, 512], side 13 at
      224 px and 1 at 17 px.
    """
    del batch_norm
    image = image_input(image_size, channels)
    x = _convolution(image, 64, 3, strides=2, padding=0, name="features_0")
    x = max_pool(relu(x, name="features_1"), padding=CEIL, name="features_2")
    for index, (squeeze, expand) in _FIRES.items():
        x = heat_map_here(x) if index - 1 == _POOLS[-1] else x
        if index - 1 in _POOLS:
            x = max_pool(x, padding=CEIL, name=f"features_{index - 1}")
        x = _fire(x, squeeze, expand, name=f"features_{index}")
    return keras.Model(image, x, name=name)


def _fire(x, squeeze, expand, *, name):
    x = _convolution(x, squeeze, 1, name=f"{name}_squeeze")
    x = relu(x, name=f"{name}_squeeze_activation")
    expanded = [
        relu(
            _convolution(x, expand, side, name=f"{name}_expand{side}x{side}"),
            name=f"{name}_expand{side}x{side}_activation",
        )
        for side in (1, 3)
    ]
    return keras.layers.Concatenate(name=f"{name}_concat")(expanded)
