"""AlexNet's convolutions as torchvision names them: by their place in `features`."""

from weights_conversion.names.table import Table, biased_convolution


def torchvision():
    """Returns the table of `features.0.weight`, `features.0.bias`, …"""
    table: Table = {}
    for index in (0, 3, 6, 8, 10):
        table |= biased_convolution(f"features.{index}", f"features_{index}")
    return table
