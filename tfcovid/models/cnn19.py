"""Song's CNN of 19 weight layers: a reconstruction, because its layer list is not published.

Source: Song, Scientific Reports 2026, doi 10.1038/s41598-026-49315-3: an own CNN of 19 layers.
Everything else is chosen here:

- chosen: 19 layers are 19 layers with weights, batch norm not counted, as in VGG19: 16
  convolutions and 3 dense layers, of which the head is the third;
- chosen: five stages of 2, 2, 4, 4 and 4 convolutions, each ending in a 2x2 maximum, as VGG19's;
- chosen: 3x3 kernels, each followed by batch norm and ReLU, because sixteen convolutions hardly
  train from random weights without batch norm;
- chosen: 16, 32, 64, 128 and 256 filters: 1.5 billion multiplications at 224 px, about a third of
  ResNet50's, for a CPU;
- chosen: an average of 4x4 and two dense layers of 256, for data sets of thousands of images;
- chosen: dropout of 0.5 before each of the two.

Figures of this network say nothing about the published ones.
"""

from functools import partial

import keras

from tfcovid.models.layers import convolution, heat_map_here, image_input, max_pool, normalize, relu
from tfcovid.models.necks import dense_neck

# filters, convolutions
_STAGES = ((16, 2), (32, 2), (64, 4), (128, 4), (256, 4))


def cnn19(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns the sixteen convolutions, from the input image to the last, pooled feature map.

    Args:
      image_size: side of the square input, px, at least 32; or None for any size.
      channels: number of input channels.
      batch_norm: 'train' or 'frozen', see `layers.normalize`.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, image_size / 32, image_size / 32, 256], rounded down.

    Raises:
      ValueError: if batch_norm is neither 'train' nor 'frozen'.
    """
    x = image = image_input(image_size, channels)
    for stage, (filters, repeats) in enumerate(_STAGES, start=1):
        for index in range(1, repeats + 1):
            x = convolution(x, filters, 3, name=f"conv{stage}_{index}")
            x = normalize(x, mode=batch_norm, name=f"bn{stage}_{index}")
            x = relu(x, name=f"relu{stage}_{index}")
        x = heat_map_here(x) if stage == len(_STAGES) else x
        x = max_pool(x, size=2, padding=0, name=f"pool{stage}")
    return keras.Model(image, x, name=name)


neck = partial(dense_neck, side=4, dense=(("fc1", 256), ("fc2", 256)), dropouts=(0.5, 0.5))
