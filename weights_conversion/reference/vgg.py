"""VGG19 as torchvision computes it.

Source: torchvision 0.28.0, models/vgg.py.
"""


def vgg19(net, images):
    """Yields (stage, feature map) after the pooling of each stage.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
    """
    x, layer = images, 0
    for stage, repeats in enumerate((2, 2, 4, 4, 4), start=1):
        for _ in range(repeats):
            x = net.relu(net.convolution(f"features.{layer}", x, stride=1, padding=1, bias=True))
            layer += 2
        x = net.max_pool(x, size=2, padding=0)
        layer += 1
        yield f"stage {stage}", x
