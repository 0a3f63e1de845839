"""ResNet 18, 34, 50, 101 as torchvision computes them (v1.5: the 3x3 convolution has the stride).

Source: torchvision 0.28.0, models/resnet.py; transformers, models/resnet/modeling_resnet.py.
"""


class TorchvisionNames:
    """`conv1`, `layer1.0.conv1`, `layer1.0.downsample.0`, …"""

    stem = ("conv1", "bn1")

    def block(self, stage, block):
        """Returns what a block's names begin with, both counted from 0."""
        return f"layer{stage + 1}.{block}"

    def part(self, stage, block, number):
        """Returns the names of a block's convolution and its batch norm, all counted from 0."""
        prefix = self.block(stage, block)
        return f"{prefix}.conv{number + 1}", f"{prefix}.bn{number + 1}"

    def shortcut(self, stage, block):
        """Returns the names of the convolution on the shortcut and its batch norm."""
        prefix = self.block(stage, block)
        return f"{prefix}.downsample.0", f"{prefix}.downsample.1"


class SequentialNames(TorchvisionNames):
    """`0`, `4.0.conv1`, `4.0.downsample.0`, …: the place among torchvision's children."""

    stem = ("0", "1")

    def block(self, stage, block):
        """Returns what a block's names begin with, both counted from 0."""
        return f"{stage + 4}.{block}"


class TransformersNames:
    """`embedder.embedder.convolution`, `encoder.stages.0.layers.0.layer.0.convolution`, …"""

    stem = ("embedder.embedder.convolution", "embedder.embedder.normalization")

    def part(self, stage, block, number):
        """Returns the names of a block's convolution and its batch norm, all counted from 0."""
        prefix = f"encoder.stages.{stage}.layers.{block}.layer.{number}"
        return f"{prefix}.convolution", f"{prefix}.normalization"

    def shortcut(self, stage, block):
        """Returns the names of the convolution on the shortcut and its batch norm."""
        prefix = f"encoder.stages.{stage}.layers.{block}.shortcut"
        return f"{prefix}.convolution", f"{prefix}.normalization"


def resnet(net, images, *, names, blocks, bottleneck):
    """Yields (stage, feature map) from the stem to the last stage.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
      names: how the checkpoint names its tensors.
      blocks: residual blocks in each stage.
      bottleneck: True for blocks of 1x1, 3x3 and 1x1, False for two of 3x3.
    """
    x = net.convolution(names.stem[0], images, stride=2, padding=3)
    x = net.max_pool(net.relu(net.batch_norm(names.stem[1], x)))
    yield "stem", x
    for stage, repeats in enumerate(blocks):
        for block in range(repeats):
            stride = 2 if stage > 0 and block == 0 else 1
            convolutions = _bottleneck(stride) if bottleneck else _basic(stride)
            y = x
            for number, settings in enumerate(convolutions):
                conv, norm = names.part(stage, block, number)
                y = net.batch_norm(norm, net.convolution(conv, y, **settings))
                if number < len(convolutions) - 1:
                    y = net.relu(y)
            if block == 0 and (stage > 0 or bottleneck):
                conv, norm = names.shortcut(stage, block)
                x = net.batch_norm(norm, net.convolution(conv, x, stride=stride, padding=0))
            x = net.relu(x + y)
        yield f"stage {stage + 1}", x


def _bottleneck(stride):
    return (
        {"stride": 1, "padding": 0},
        {"stride": stride, "padding": 1},
        {"stride": 1, "padding": 0},
    )


def _basic(stride):
    return {"stride": stride, "padding": 1}, {"stride": 1, "padding": 1}
