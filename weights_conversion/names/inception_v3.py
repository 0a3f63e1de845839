"""Inception v3's tensors as torchvision names them, and timm after it."""

from weights_conversion.names.table import Table, batch_norm, convolution

_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_A = ("1x1", "5x5_1", "5x5_2", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3", "_pool")
_B = ("3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3")
_C = (
    *("1x1", "7x7_1", "7x7_2", "7x7_3"),
    *("7x7dbl_1", "7x7dbl_2", "7x7dbl_3", "7x7dbl_4", "7x7dbl_5", "_pool"),
)
_D = ("3x3_1", "3x3_2", "7x7x3_1", "7x7x3_2", "7x7x3_3", "7x7x3_4")
_E = (
    *("1x1", "3x3_1", "3x3_2a", "3x3_2b"),
    *("3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool"),
)
_BLOCKS = {"5b": _A, "5c": _A, "5d": _A, "6a": _B, "6b": _C, "6c": _C, "6d": _C, "6e": _C} | {
    "7a": _D,
    "7b": _E,
    "7c": _E,
}


def torchvision():
    """Returns the table of `Conv2d_1a_3x3.conv.weight`, `Mixed_5b.branch1x1.bn.weight`, …"""
    table: Table = {}
    branches = (
        (f"Mixed_{block}.branch{branch}", f"Mixed_{block}_branch{branch}")
        for block, members in _BLOCKS.items()
        for branch in members
    )
    for torch_name, layer in (*((name, name) for name in _STEM), *branches):
        table |= convolution(f"{torch_name}.conv", f"{layer}_conv")
        table |= batch_norm(f"{torch_name}.bn", f"{layer}_bn")
    return table
