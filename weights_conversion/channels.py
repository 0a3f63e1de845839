"""The first convolution for another number of input channels, and the input that goes with it.

A gray image in three channels has the same plane three times. A network for one channel whose first
kernel is the sum over the three gives the same feature maps, and so does one for three channels
whose kernel is a third of the single one in each.
"""

import dataclasses

import numpy as np

from weights_conversion.expected_input import ExpectedInput


def adapt_kernel(kernel, channels):
    """Returns the kernel for another number of input channels.

    Args:
      kernel: float [height, width, in, out]; `in` is 1 or 3.
      channels: 1 or 3.

    Returns:
      float64 [height, width, channels, out].
    """
    kernel = kernel.astype(np.float64)
    if kernel.shape[2] == channels:
        return kernel
    summed = kernel.sum(axis=2, keepdims=True)
    return np.repeat(summed / channels, channels, axis=2)


def adapt_input(expected: ExpectedInput, channels: int) -> ExpectedInput:
    """Returns the input for another number of channels.

    Three channels with different mean and std have no exact counterpart in one, because the
    convolution pads with zeros behind them: the one channel gets their averages.
    """
    if expected.channels == channels:
        return expected
    mean, std = float(np.mean(expected.mean)), float(np.mean(expected.std))
    return dataclasses.replace(
        expected, channels=channels, mean=(mean,) * channels, std=(std,) * channels
    )
