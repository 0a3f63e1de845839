"""MobileNetV2 (width 1.0) as torchvision and timm compute it: PyTorch's padding, ReLU6.

Source: torchvision 0.28.0, models/mobilenetv2.py; timm, models/efficientnet.py (mobilenetv2_100).
"""

_SETTINGS = (  # expansion, repeats, stride of the first; table 2 of arXiv:1801.04381
    (1, 1, 1),
    (6, 2, 2),
    (6, 3, 2),
    (6, 4, 2),
    (6, 3, 1),
    (6, 3, 2),
    (6, 1, 1),
)


class TorchvisionNames:
    """`features.0.0`, `features.2.conv.0.0`, `features.18.0`, …"""

    stem = ("features.0.0", "features.0.1")
    last = ("features.18.0", "features.18.1")

    def parts(self, stage, repeat, index):
        """Returns the (convolution, norm) names of a block: expansion, depthwise, projection."""
        block = f"features.{index}.conv"
        if index == 1:
            return [(f"{block}.0.0", f"{block}.0.1"), (f"{block}.1", f"{block}.2")]
        return [
            (f"{block}.0.0", f"{block}.0.1"),
            (f"{block}.1.0", f"{block}.1.1"),
            (f"{block}.2", f"{block}.3"),
        ]


class FlatNames(TorchvisionNames):
    """`features.2.conv.0`, `features.2.conv.1`, `features.2.conv.3`, …"""

    def parts(self, stage, repeat, index):
        """Returns the (convolution, norm) names of a block: a ReLU6 fills each third place."""
        places = (0, 3) if index == 1 else (0, 3, 6)
        return [(f"features.{index}.conv.{at}", f"features.{index}.conv.{at + 1}") for at in places]


class TimmNames:
    """`conv_stem`, `blocks.0.0.conv_dw`, `blocks.1.0.conv_pwl`, `conv_head`, …"""

    stem = ("conv_stem", "bn1")
    last = ("conv_head", "bn2")

    def parts(self, stage, repeat, index):
        """Returns the (convolution, norm) names of a block: expansion, depthwise, projection."""
        block = f"blocks.{stage}.{repeat}"
        kinds = ("conv_dw", "conv_pw") if index == 1 else ("conv_pw", "conv_dw", "conv_pwl")
        return [(f"{block}.{kind}", f"{block}.bn{n}") for n, kind in enumerate(kinds, start=1)]


def mobilenet_v2(net, images, *, names):
    """Yields (stage, feature map) from the stem to the last convolution.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
      names: how the checkpoint names its tensors.
    """

    def conv_norm(pair, x, **settings):
        return net.batch_norm(pair[1], net.convolution(pair[0], x, **settings))

    x = net.relu6(conv_norm(names.stem, images, stride=2, padding=1))
    yield "stem", x
    index = 0
    for stage, (expansion, repeats, first_stride) in enumerate(_SETTINGS):
        for repeat in range(repeats):
            index += 1
            stride = first_stride if repeat == 0 else 1
            *expand, depthwise, project = names.parts(stage, repeat, index)
            y = x
            if expansion > 1:
                (pointwise,) = expand
                y = net.relu6(conv_norm(pointwise, y, stride=1, padding=0))
            y = net.relu6(conv_norm(depthwise, y, stride=stride, padding=1, groups=y.shape[1]))
            y = conv_norm(project, y, stride=1, padding=0)
            x = x + y if stride == 1 and x.shape[1] == y.shape[1] else y
        yield f"stage {stage + 1}", x
    yield "last convolution", net.relu6(conv_norm(names.last, x, stride=1, padding=0))
