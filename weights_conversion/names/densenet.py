"""DenseNet121's tensors as torchvision names them today, and as it named them in 2017.

Torch modules once might have a dot in their name: the parts of a dense layer were `norm.1`,
`relu.1`, `conv.1`. The checkpoints of CheXNet's repositories are spelled so.
"""

from weights_conversion.names.table import Table, batch_norm, convolution

_BLOCKS = (6, 12, 24, 16)


def torchvision():
    """Returns the table of `features.denseblock1.denselayer1.norm1.weight`, …"""
    return _table("norm{}", "conv{}")


def torchvision_2017():
    """Returns the table of `features.denseblock1.denselayer1.norm.1.weight`, …"""
    return _table("norm.{}", "conv.{}")


def _table(norm, conv) -> Table:
    table = convolution("features.conv0", "features_conv0")
    table |= batch_norm("features.norm0", "features_norm0")
    for block, repeats in enumerate(_BLOCKS, start=1):
        for index in range(1, repeats + 1):
            torch_layer = f"features.denseblock{block}.denselayer{index}"
            layer = f"features_denseblock{block}_denselayer{index}"
            for number in (1, 2):
                table |= batch_norm(f"{torch_layer}.{norm.format(number)}", f"{layer}_norm{number}")
                table |= convolution(
                    f"{torch_layer}.{conv.format(number)}", f"{layer}_conv{number}"
                )
        if block < len(_BLOCKS):
            transition = f"features.transition{block}"
            table |= batch_norm(f"{transition}.norm", f"features_transition{block}_norm")
            table |= convolution(f"{transition}.conv", f"features_transition{block}_conv")
    return table | batch_norm("features.norm5", "features_norm5")
