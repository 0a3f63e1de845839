"""What a name table is made of: one function a layer type.

A table maps the name of a PyTorch tensor to its `Place` in the Keras network. The tables hold
names only; what they claim is proven by `weights_conversion.proof`, whose source networks name
their tensors themselves.
"""

import dataclasses

from weights_conversion.layouts import Layout


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a tensor goes.

    Attributes:
      variable: the Keras variable, "layer1_0_conv1/kernel".
      layout: how its axes are reordered on the way.
    """

    variable: str
    layout: Layout


Table = dict[str, Place]


def convolution(torch_name, layer):
    """Returns the entry of a convolution without bias."""
    return {f"{torch_name}.weight": Place(f"{layer}/kernel", Layout.CONVOLUTION)}


def biased_convolution(torch_name, layer):
    """Returns the two entries of a convolution with bias."""
    return convolution(torch_name, layer) | {
        f"{torch_name}.bias": Place(f"{layer}/bias", Layout.VECTOR)
    }


def depthwise(torch_name, layer):
    """Returns the entry of a depthwise convolution without bias."""
    return {f"{torch_name}.weight": Place(f"{layer}/kernel", Layout.DEPTHWISE)}


def batch_norm(torch_name, layer):
    """Returns the four entries of a batch normalisation."""
    return {
        f"{torch_name}.weight": Place(f"{layer}/gamma", Layout.VECTOR),
        f"{torch_name}.bias": Place(f"{layer}/beta", Layout.VECTOR),
        f"{torch_name}.running_mean": Place(f"{layer}/moving_mean", Layout.VECTOR),
        f"{torch_name}.running_var": Place(f"{layer}/moving_variance", Layout.VECTOR),
    }


def linear(torch_name, layer):
    """Returns the two entries of a linear layer."""
    return {
        f"{torch_name}.weight": Place(f"{layer}/kernel", Layout.LINEAR),
        f"{torch_name}.bias": Place(f"{layer}/bias", Layout.VECTOR),
    }
