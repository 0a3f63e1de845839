"""VGG19's convolutions as torchvision and timm name them: by their place in `features`."""

from weights_conversion.names.table import Table, biased_convolution

_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def torchvision():
    """Returns the table of `features.0.weight`, `features.0.bias`, …"""
    table: Table = {}
    for index in _CONVOLUTIONS:
        table |= biased_convolution(f"features.{index}", f"features_{index}")
    return table
