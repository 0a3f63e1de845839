"""Inception v3 as torchvision computes it in inference mode, from `transform_input` on.

Source: torchvision 0.28.0, models/inception.py, its classes InceptionA to InceptionE.
"""

from functools import partial

_ROW, _COLUMN = (0, 3), (3, 0)  # padding of a 1x7 and of a 7x1 kernel


def inception_v3(net, images):
    """Yields (stage, feature map) after the stem and each mixed block.

    Args:
      net: `TorchOps` or `NumpyOps` that holds the tensors.
      images: [batch, channels, height, width].
    """
    conv = partial(_conv_norm_relu, net)
    x = conv("Conv2d_1a_3x3", images, stride=2)
    x = conv("Conv2d_2b_3x3", conv("Conv2d_2a_3x3", x), padding=1)
    x = net.max_pool(x, padding=0)
    x = conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", x))
    x = net.max_pool(x, padding=0)
    yield "stem", x
    blocks = {
        **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _inception_a),
        "Mixed_6a": _inception_b,
        **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _inception_c),
        "Mixed_7a": _inception_d,
        **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _inception_e),
    }
    for name, block in blocks.items():
        x = net.concatenate(block(net, x, name))
        yield name, x


def _conv_norm_relu(net, name, x, *, stride=1, padding=0):
    x = net.convolution(f"{name}.conv", x, stride=stride, padding=padding)
    return net.relu(net.batch_norm(f"{name}.bn", x, epsilon=1e-3))


def _chain(net, x, name, paddings, *, last_stride=1):
    """Returns x through NAME_1, NAME_2, …, one for each padding."""
    for number, padding in enumerate(paddings, start=1):
        stride = last_stride if number == len(paddings) else 1
        x = _conv_norm_relu(net, f"{name}_{number}", x, stride=stride, padding=padding)
    return x


def _average(net, x, name):
    averaged = net.average_pool(x, size=3, stride=1, padding=1)
    return _conv_norm_relu(net, f"{name}.branch_pool", averaged)


def _inception_a(net, x, name):
    return [
        _conv_norm_relu(net, f"{name}.branch1x1", x),
        _chain(net, x, f"{name}.branch5x5", (0, 2)),
        _chain(net, x, f"{name}.branch3x3dbl", (0, 1, 1)),
        _average(net, x, name),
    ]


def _inception_b(net, x, name):
    return [
        _conv_norm_relu(net, f"{name}.branch3x3", x, stride=2),
        _chain(net, x, f"{name}.branch3x3dbl", (0, 1, 0), last_stride=2),
        net.max_pool(x, padding=0),
    ]


def _inception_c(net, x, name):
    return [
        _conv_norm_relu(net, f"{name}.branch1x1", x),
        _chain(net, x, f"{name}.branch7x7", (0, _ROW, _COLUMN)),
        _chain(net, x, f"{name}.branch7x7dbl", (0, _COLUMN, _ROW, _COLUMN, _ROW)),
        _average(net, x, name),
    ]


def _inception_d(net, x, name):
    return [
        _chain(net, x, f"{name}.branch3x3", (0, 0), last_stride=2),
        _chain(net, x, f"{name}.branch7x7x3", (0, _ROW, _COLUMN, 0), last_stride=2),
        net.max_pool(x, padding=0),
    ]


def _inception_e(net, x, name):
    conv = partial(_conv_norm_relu, net)
    three = conv(f"{name}.branch3x3_1", x)
    double = _chain(net, x, f"{name}.branch3x3dbl", (0, 1))
    return [
        conv(f"{name}.branch1x1", x),
        conv(f"{name}.branch3x3_2a", three, padding=(0, 1)),
        conv(f"{name}.branch3x3_2b", three, padding=(1, 0)),
        conv(f"{name}.branch3x3dbl_3a", double, padding=(0, 1)),
        conv(f"{name}.branch3x3dbl_3b", double, padding=(1, 0)),
        _average(net, x, name),
    ]
