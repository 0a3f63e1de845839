"""MobileNetV2's tensors as torchvision names them, as it once did, and as timm does."""

from weights_conversion.names.table import Table, batch_norm, convolution, depthwise

_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_LAST = sum(_REPEATS) + 1  # of torchvision's `features`


def torchvision():
    """Returns the table of `features.2.conv.0.0.weight`, …: a conv and its norm are a pair."""
    table = _stem_and_last()
    for index in range(1, _LAST):
        torch_block, block = f"features.{index}.conv", f"features_{index}_conv"
        part = 0
        if index > 1:  # the first block does not expand
            table |= convolution(f"{torch_block}.0.0", f"{block}_0_0")
            table |= batch_norm(f"{torch_block}.0.1", f"{block}_0_1")
            part = 1
        table |= depthwise(f"{torch_block}.{part}.0", f"{block}_{part}_0")
        table |= batch_norm(f"{torch_block}.{part}.1", f"{block}_{part}_1")
        table |= convolution(f"{torch_block}.{part + 1}", f"{block}_{part + 1}")
        table |= batch_norm(f"{torch_block}.{part + 2}", f"{block}_{part + 2}")
    return table


def flat():
    """Returns the table of `features.2.conv.0.weight`, …: conv, norm and ReLU6 in one row."""
    table = _stem_and_last()
    for index in range(1, _LAST):
        torch_block, block = f"features.{index}.conv", f"features_{index}_conv"
        if index == 1:
            table |= depthwise(f"{torch_block}.0", f"{block}_0_0")
            table |= batch_norm(f"{torch_block}.1", f"{block}_0_1")
            table |= convolution(f"{torch_block}.3", f"{block}_1")
            table |= batch_norm(f"{torch_block}.4", f"{block}_2")
        else:
            table |= convolution(f"{torch_block}.0", f"{block}_0_0")
            table |= batch_norm(f"{torch_block}.1", f"{block}_0_1")
            table |= depthwise(f"{torch_block}.3", f"{block}_1_0")
            table |= batch_norm(f"{torch_block}.4", f"{block}_1_1")
            table |= convolution(f"{torch_block}.6", f"{block}_2")
            table |= batch_norm(f"{torch_block}.7", f"{block}_3")
    return table


def timm():
    """Returns the table of `conv_stem.weight`, `blocks.1.0.conv_pw.weight`, …"""
    table = convolution("conv_stem", "features_0_0") | batch_norm("bn1", "features_0_1")
    index = 0
    for stage, repeats in enumerate(_REPEATS):
        for repeat in range(repeats):
            index += 1
            torch_block, block = f"blocks.{stage}.{repeat}", f"features_{index}_conv"
            if index == 1:
                table |= depthwise(f"{torch_block}.conv_dw", f"{block}_0_0")
                table |= batch_norm(f"{torch_block}.bn1", f"{block}_0_1")
                table |= convolution(f"{torch_block}.conv_pw", f"{block}_1")
                table |= batch_norm(f"{torch_block}.bn2", f"{block}_2")
            else:
                table |= convolution(f"{torch_block}.conv_pw", f"{block}_0_0")
                table |= batch_norm(f"{torch_block}.bn1", f"{block}_0_1")
                table |= depthwise(f"{torch_block}.conv_dw", f"{block}_1_0")
                table |= batch_norm(f"{torch_block}.bn2", f"{block}_1_1")
                table |= convolution(f"{torch_block}.conv_pwl", f"{block}_2")
                table |= batch_norm(f"{torch_block}.bn3", f"{block}_3")
    table |= convolution("conv_head", f"features_{_LAST}_0")
    return table | batch_norm("bn2", f"features_{_LAST}_1")


def _stem_and_last() -> Table:
    table = convolution("features.0.0", "features_0_0") | batch_norm("features.0.1", "features_0_1")
    table |= convolution(f"features.{_LAST}.0", f"features_{_LAST}_0")
    return table | batch_norm(f"features.{_LAST}.1", f"features_{_LAST}_1")
