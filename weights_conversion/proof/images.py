"""The images that both networks see."""

import numpy as np
from scipy import ndimage

from tfcovid.models.backbones import SMALLEST_IMAGE_PX
from weights_conversion.channels import adapt_input
from weights_conversion.expected_input import ExpectedInput

# (images, height, width). Even sides tell symmetric padding from Keras' 'same', odd ones how halves
# are rounded; not square, so that height and width cannot change places.
_BATCHES = ((2, 64, 96), (2, 75, 107))


def batches(architecture):
    """Returns (images, height, width) of two batches, larger ones where the network needs it.

    Args:
      architecture: a key of `tfcovid.models.backbones.BACKBONES`.
    """
    short = max(0, SMALLEST_IMAGE_PX.get(architecture, 1) - _BATCHES[0][1])
    more = short + short % 2
    return tuple((count, height + more, width + more) for count, height, width in _BATCHES)


def proof_images(shape: tuple[int, int, int], expected: ExpectedInput, channels: int, seed: int):
    """Returns random images in the range of the network; gray where the channels differ.

    Args:
      shape: (batch, height, width).
      expected: of the source network.
      channels: of the Keras network.
      seed: of the images.

    Returns:
      Two float32 arrays [batch, height, width, channels], for the source and for the Keras network.
    """
    if expected.channels == channels:
        images = _normalise(_random_unit(shape, channels, seed), expected)
        return images, images
    gray = _random_unit(shape, 1, seed)
    ours = _normalise(gray, adapt_input(expected, channels))
    # The source under the common mean and std that the Keras network has: see `channels`.
    common = adapt_input(adapt_input(expected, channels), expected.channels)
    return _normalise(gray, common), ours


def own_and_common_images(shape: tuple[int, int, int], expected: ExpectedInput):
    """Returns gray images under the mean and std of each channel, and under their averages.

    Args:
      shape: (batch, height, width).
      expected: of a source network of three channels.

    Returns:
      Two float32 arrays [batch, height, width, 3].
    """
    gray = _random_unit(shape, 1, 0)
    common = adapt_input(adapt_input(expected, 1), expected.channels)
    return _normalise(gray, expected), _normalise(gray, common)


def _random_unit(shape, planes, seed):
    """Returns a smooth field and noise in 0..1, different in every image and plane."""
    rng = np.random.default_rng(seed)
    zoom = (1, shape[1] / 4, shape[2] / 5, 1)
    smooth = ndimage.zoom(rng.random((shape[0], 4, 5, planes)), zoom, order=1)
    return 0.8 * smooth + 0.2 * rng.random(smooth.shape)


def _normalise(unit, expected):
    """Returns values in 0..1 as a network sees them, one plane broadcast to its channels."""
    value = expected.low + unit * (expected.high - expected.low)
    return ((value - np.array(expected.mean)) / np.array(expected.std)).astype(np.float32)
