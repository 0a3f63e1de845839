"""SqueezeNet 1.1 as torchvision computes it, up to its head.

Source: torchvision 0.28.0, models/squeezenet.py.
"""


def squeezenet(net, images):
    """Yields (stage, feature map) after the stem and each fire module.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
    """
    x = net.relu(net.convolution("features.0", images, stride=2, padding=0, bias=True))
    x = net.max_pool(x, padding=0, ceil=True)
    yield "stem", x
    for layer in (3, 4, 6, 7, 9, 10, 11, 12):
        if layer in (6, 9):
            x = net.max_pool(x, padding=0, ceil=True)
        name = f"features.{layer}"
        squeezed = net.relu(net.convolution(f"{name}.squeeze", x, stride=1, padding=0, bias=True))
        x = net.concatenate(
            [
                net.relu(
                    net.convolution(
                        f"{name}.expand{side}x{side}", squeezed, stride=1, padding=pad, bias=True
                    )
                )
                for side, pad in ((1, 0), (3, 1))
            ]
        )
        yield f"fire {layer}", x
