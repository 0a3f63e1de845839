"""AlexNet as torchvision computes it.

Source: torchvision 0.28.0, models/alexnet.py.
"""


def alexnet(net, images):
    """Yields (stage, feature map) after each convolution, where one follows after its pooling.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
    """
    x = net.relu(net.convolution("features.0", images, stride=4, padding=2, bias=True))
    x = net.max_pool(x, padding=0)
    yield "convolution 1", x
    x = net.relu(net.convolution("features.3", x, stride=1, padding=2, bias=True))
    x = net.max_pool(x, padding=0)
    yield "convolution 2", x
    for number, layer in ((3, 6), (4, 8), (5, 10)):
        x = net.relu(net.convolution(f"features.{layer}", x, stride=1, padding=1, bias=True))
        if number == 5:
            x = net.max_pool(x, padding=0)
        yield f"convolution {number}", x
