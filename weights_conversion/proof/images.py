"""The images that both networks see."""

import numpy as np
from scipy import ndimage

from weights_conversion.channels import adapt_input
from weights_conversion.expected_input import ExpectedInput

# (images, height, width). Even sides tell symmetric padding from Keras' 'same', odd ones how halves
# are rounded; not square, so that height and width cannot change places.
BATCHES = ((2, 64, 96), (2, 75, 107))


def proof_images(shape: tuple[int, int, int], expected: ExpectedInput, channels: int, seed: int):
    """Returns random images in the range of the network, gray where one side is.

    A smooth field and noise, different in every image and, for two networks of three channels, in
    every channel.

    Args:
      shape: (batch, height, width).
      expected: of the source network.
      channels: of the Keras network.
      seed: of the images.

    Returns:
      Two float32 arrays [batch, height, width, channels], for the source and for the Keras network.
    """
    rng = np.random.default_rng(seed)
    planes = expected.channels if expected.channels == channels else 1
    zoom = (1, shape[1] / 4, shape[2] / 5, 1)
    smooth = ndimage.zoom(rng.random((shape[0], 4, 5, planes)), zoom, order=1)
    unit = 0.8 * smooth + 0.2 * rng.random(smooth.shape)
    # Under a common mean and std where the number of channels changes: see `channels`.
    common = adapt_input(adapt_input(expected, channels), expected.channels)
    if planes != expected.channels:
        unit = np.repeat(unit, expected.channels, axis=-1)
    value = common.low + unit * (common.high - common.low)
    images = ((value - np.array(common.mean)) / np.array(common.std)).astype(np.float32)
    if expected.channels == channels:
        return images, images
    return images, np.repeat(images[..., :1], channels, axis=-1)
