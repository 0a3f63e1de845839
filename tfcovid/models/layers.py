"""The layer types that the architectures share, with PyTorch's padding and torchvision's defaults.

A layer is named after the torchvision parameter path with dots replaced by
underscores: PyTorch's `layer1.0.conv1.weight` is the kernel of the Keras layer
`layer1_0_conv1`. These names are the contract that weight conversion relies on.
"""

import contextlib
import contextvars

import keras

from tfcovid.models.batch_norm import BatchNormalization

_STATISTICS = {"train": "batch", "frozen": "stored"}
_RANDOM_KERNELS = contextvars.ContextVar("random_kernels", default=True)


@contextlib.contextmanager
def zero_kernels():
    """Makes networks that are built inside start at zero kernels, for weights that are loaded next.

    Drawing 23 million random numbers for a ResNet50 takes longer than loading it.
    """
    token = _RANDOM_KERNELS.set(False)
    try:
        yield
    finally:
        _RANDOM_KERNELS.reset(token)


def image_input(image_size, channels):
    """Returns the symbolic network input, float32 [batch, image_size, image_size, channels]."""
    return keras.Input((image_size, image_size, channels), dtype="float32", name="image")


def pad(x, padding, *, name):
    """Returns x with `padding` rows and columns of zeros on each of the four sides.

    Keras' 'same' puts the odd row of a strided layer at the bottom only, where
    PyTorch pads both sides; so strided layers pad here and then use 'valid'.
    """
    return keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x) if padding else x


def convolution(x, filters, kernel_size, *, strides=1, mode="fan_out", name):
    """Returns x convolved without bias, padded symmetrically by kernel_size // 2.

    Args:
      x: feature map [batch, height, width, channels].
      filters: number of output channels.
      kernel_size: side of the square kernel, odd.
      strides: step in both directions.
      mode: 'fan_out' or 'fan_in', for the He normal initial kernel.
      name: layer name.

    Returns:
      Feature map [batch, ceil(height / strides), ceil(width / strides), filters].
    """
    # At stride 1 'same' is symmetric too, and saves a copy of the feature map.
    padding = "same"
    if strides > 1:
        x, padding = pad(x, kernel_size // 2, name=name), "valid"
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=_he_normal(mode),
        name=name,
    )(x)


def depthwise_convolution(x, *, strides=1, name):
    """Returns x convolved per channel with a 3x3 kernel, without bias, padded by 1."""
    padding = "same"
    if strides > 1:
        x, padding = pad(x, 1, name=name), "valid"
    return keras.layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer=_he_normal("fan_out"),
        name=name,
    )(x)


def normalize(x, *, mode, zero_gamma=False, name):
    """Returns x batch-normalised with torchvision's epsilon and momentum.

    Args:
      x: feature map [batch, height, width, channels].
      mode: 'train' for batch statistics while training, 'frozen' for the
        stored statistics always; gamma and beta train in both.
      zero_gamma: start gamma at 0 instead of 1.
      name: layer name.

    Returns:
      Feature map of the shape of x.

    Raises:
      ValueError: if mode is neither 'train' nor 'frozen'.
    """
    if mode not in _STATISTICS:
        raise ValueError(f"batch_norm must be 'train' or 'frozen'. Received: batch_norm={mode!r}")
    return BatchNormalization(
        statistics=_STATISTICS[mode],
        momentum=0.9,  # PyTorch's momentum 0.1 is the weight of the new value
        epsilon=1e-5,
        gamma_initializer="zeros" if zero_gamma else "ones",
        name=name,
    )(x)


def relu(x, *, name):
    """Returns max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)


def relu6(x, *, name):
    """Returns min(max(x, 0), 6)."""
    return keras.layers.ReLU(max_value=6.0, name=name)(x)


def max_pool(x, *, name):
    """Returns the 3x3 maximum at stride 2 of x >= 0, padded by 1.

    PyTorch pads with -infinity; zeros give the same only after a ReLU.
    """
    return keras.layers.MaxPooling2D(3, strides=2, padding="valid", name=name)(pad(x, 1, name=name))


def _he_normal(mode):
    if not _RANDOM_KERNELS.get():
        return keras.initializers.Zeros()
    # A new initializer each time: a Keras initializer without a seed repeats its values.
    return keras.initializers.VarianceScaling(2.0, mode=mode, distribution="untruncated_normal")
