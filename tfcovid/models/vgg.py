"""VGG19 without batch norm as torchvision has it: the feature map, and the dense layers.

Source: Simonyan and Zisserman 2014, arXiv:1409.1556, table 1, column E; torchvision 0.28.0,
models/vgg.py.
"""

from functools import partial

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, max_pool, relu
from tfcovid.models.necks import dense_neck

# filters, convolutions
_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def vgg19(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns VGG19's sixteen convolutions, from the input image to the last, pooled feature map.

    Args:
      image_size: side of the square input, px, at least 32; or None for any size.
      channels: number of input channels.
      batch_norm: has no effect: there is none.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 32, image_size / 32, 512], rounded down.
    """
    del batch_norm
    x = image = image_input(image_size, channels)
    index = 0  # in torchvision's `features`, where each layer has its own
    for stage, (filters, repeats) in enumerate(_STAGES, start=1):
        for _ in range(repeats):
            x = convolution(x, filters, 3, use_bias=True, name=f"features_{index}")
            x = relu(x, name=f"features_{index + 1}")
            index += 2
        x = heat_map_here(x) if stage == len(_STAGES) else x
        x = max_pool(x, size=2, padding=0, name=f"features_{index}")
        index += 1
    return keras.Model(image, x, name=name)


# torchvision's second dropout stands right before the head: it is the classifier's own.
neck = partial(
    dense_neck,
    side=7,
    dense=(("classifier_0", 4096), ("classifier_3", 4096)),
    dropouts=(0.0, 0.5),
)
