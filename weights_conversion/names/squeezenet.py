"""SqueezeNet 1.1's convolutions as torchvision names them."""

from weights_conversion.names.table import biased_convolution


def torchvision():
    """Returns the table of `features.0.weight`, `features.3.squeeze.weight`, …"""
    table = biased_convolution("features.0", "features_0")
    for index in (3, 4, 6, 7, 9, 10, 11, 12):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            table |= biased_convolution(f"features.{index}.{part}", f"features_{index}_{part}")
    return table
