"""DenseNet121 as torchvision computes it.

Source: torchvision 0.28.0, models/densenet.py; the ReLU after the last norm is in its `forward`.
"""


def densenet121(net, images, *, dot):
    """Yields (stage, feature map) from the stem to the last norm and its ReLU.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
      dot: "." for the spelling of 2017 (`norm.1`), "" for today's (`norm1`).
    """
    x = net.convolution("features.conv0", images, stride=2, padding=3)
    x = net.max_pool(net.relu(net.batch_norm("features.norm0", x)))
    yield "stem", x
    for block, repeats in enumerate((6, 12, 24, 16), start=1):
        for index in range(1, repeats + 1):
            layer = f"features.denseblock{block}.denselayer{index}"
            y = net.relu(net.batch_norm(f"{layer}.norm{dot}1", x))
            y = net.convolution(f"{layer}.conv{dot}1", y, stride=1, padding=0)
            y = net.relu(net.batch_norm(f"{layer}.norm{dot}2", y))
            y = net.convolution(f"{layer}.conv{dot}2", y, stride=1, padding=1)
            x = net.concatenate([x, y])
        yield f"block {block}", x
        if block < 4:
            transition = f"features.transition{block}"
            x = net.relu(net.batch_norm(f"{transition}.norm", x))
            x = net.convolution(f"{transition}.conv", x, stride=1, padding=0)
            x = net.average_pool(x)
            yield f"transition {block}", x
    yield "last norm", net.relu(net.batch_norm("features.norm5", x))
