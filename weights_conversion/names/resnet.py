"""ResNet's tensors as torchvision (also timm, torchxrayvision) and transformers name them."""

from weights_conversion.names.table import Table, batch_norm, convolution


def torchvision(*, blocks, convolutions):
    """Returns the table of `conv1.weight`, `layer1.0.bn1.weight`, …

    Args:
      blocks: residual blocks in each of the four stages.
      convolutions: convolutions in a block, 2 or 3.
    """
    table: Table = convolution("conv1", "conv1") | batch_norm("bn1", "bn1")
    for stage, repeats in enumerate(blocks, start=1):
        for index in range(repeats):
            torch_block, block = f"layer{stage}.{index}", f"layer{stage}_{index}"
            for number in range(1, convolutions + 1):
                table |= convolution(f"{torch_block}.conv{number}", f"{block}_conv{number}")
                table |= batch_norm(f"{torch_block}.bn{number}", f"{block}_bn{number}")
            if _changes_shape(stage, index, convolutions):
                table |= convolution(f"{torch_block}.downsample.0", f"{block}_downsample_0")
                table |= batch_norm(f"{torch_block}.downsample.1", f"{block}_downsample_1")
    return table


def sequential(*, blocks, convolutions):
    """Returns the table of `0.weight`, `4.0.bn1.weight`, …: torchvision's children in a Sequential.

    That is how a ResNet is often cut out: `Sequential(*list(net.children())[:-1])`.

    Args:
      blocks: residual blocks in each of the four stages.
      convolutions: convolutions in a block, 2 or 3.
    """
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    table: Table = {}
    for name, place in torchvision(blocks=blocks, convolutions=convolutions).items():
        child, _, rest = name.partition(".")
        table[f"{places[child]}.{rest}"] = place
    return table


def transformers(*, blocks, convolutions):
    """Returns the table of `embedder.embedder.convolution.weight`, `encoder.stages.0.…`.

    Args:
      blocks: residual blocks in each of the four stages.
      convolutions: convolutions in a block, 2 or 3.
    """
    table: Table = convolution("embedder.embedder.convolution", "conv1")
    table |= batch_norm("embedder.embedder.normalization", "bn1")
    for stage, repeats in enumerate(blocks, start=1):
        for index in range(repeats):
            torch_block = f"encoder.stages.{stage - 1}.layers.{index}"
            block = f"layer{stage}_{index}"
            for number in range(1, convolutions + 1):
                part = f"{torch_block}.layer.{number - 1}"
                table |= convolution(f"{part}.convolution", f"{block}_conv{number}")
                table |= batch_norm(f"{part}.normalization", f"{block}_bn{number}")
            if _changes_shape(stage, index, convolutions):
                shortcut = f"{torch_block}.shortcut"
                table |= convolution(f"{shortcut}.convolution", f"{block}_downsample_0")
                table |= batch_norm(f"{shortcut}.normalization", f"{block}_downsample_1")
    return table


def _changes_shape(stage, index, convolutions):
    """Whether a block has a convolution on its shortcut: where stride or width changes."""
    return index == 0 and (stage > 1 or convolutions == 3)
