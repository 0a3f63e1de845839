"""The layer types that the architectures share, with PyTorch's padding and torchvision's defaults.

A layer is named after the torchvision parameter path with dots replaced by
underscores: PyTorch's `layer1.0.conv1.weight` is the kernel of the Keras layer
`layer1_0_conv1`. These names are the contract that weight conversion relies on.
"""

import contextlib
import contextvars

import keras
import numpy as np

from tfcovid.models.batch_norm import BatchNormalization
from tfcovid.models.depthwise import DepthwiseConv2D

HEAT_LAYER = "heat_map_here"
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
    """Returns x with rows and columns of zeros around it.

    Keras' 'same' puts the odd row of a strided layer at the bottom only, where
    PyTorch pads both sides; so strided layers pad here and then use 'valid'.

    Args:
      x: feature map [batch, height, width, channels].
      padding: zeros on each of the four sides, (rows, columns) on either side, or
        ((top, bottom), (left, right)).
      name: of the layer that follows.
    """
    return keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x) if np.any(padding) else x


def convolution(
    x,
    filters,
    kernel_size,
    *,
    strides=1,
    padding=None,
    use_bias=False,
    mode="fan_out",
    name,
):
    """Returns x convolved, padded symmetrically.

    Args:
      x: feature map [batch, height, width, channels].
      filters: number of output channels.
      kernel_size: side of the square kernel, or (height, width).
      strides: step in both directions.
      padding: zeros on each side, or (rows, columns); None for kernel_size // 2.
      use_bias: whether a bias is added, 0 at the start.
      mode: 'fan_out' or 'fan_in', for the He normal initial kernel.
      name: layer name.

    Returns:
      Feature map [batch, height', width', filters]; with padding None and an odd kernel the
      height and width of x divided by strides, rounded up.
    """
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    halves = tuple(side // 2 for side in sides)
    padding = halves if padding is None else padding
    padding = (padding, padding) if isinstance(padding, int) else padding
    # At stride 1 'same' is symmetric too, and saves a copy of the feature map.
    same = strides == 1 and padding == halves
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same" if same else "valid",
        use_bias=use_bias,
        kernel_initializer=he_normal(mode),
        name=name,
    )(x if same else pad(x, padding, name=name))


def depthwise_convolution(x, *, strides=1, name):
    """Returns x convolved per channel with a 3x3 kernel, without bias, padded by 1."""
    padding = "same"
    if strides > 1:
        x, padding = pad(x, 1, name=name), "valid"
    return DepthwiseConv2D(
        3,
        strides=strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer=he_normal("fan_out"),
        name=name,
    )(x)


def normalize(x, *, mode, epsilon=1e-5, zero_gamma=False, name):
    """Returns x batch-normalised with torchvision's epsilon and momentum.

    Args:
      x: feature map [batch, height, width, channels].
      mode: 'train' for batch statistics while training, 'frozen' for the
        stored statistics always; gamma and beta train in both.
      epsilon: added to the variance; PyTorch's default, Inception has another.
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
        epsilon=epsilon,
        gamma_initializer="zeros" if zero_gamma else "ones",
        name=name,
    )(x)


def heat_map_here(x):
    """Returns x, from a layer that does nothing but name the map that heat maps are drawn from.

    An architecture names the map before its last down-sampling. Behind that a place no longer tells
    where its evidence is from: docs/results.md, "Heat maps".
    """
    return keras.layers.Identity(name=HEAT_LAYER)(x)


def relu(x, *, name):
    """Returns max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)


def relu6(x, *, name):
    """Returns min(max(x, 0), 6)."""
    return keras.layers.ReLU(max_value=6.0, name=name)(x)


def max_pool(x, *, size=3, padding=1, name):
    """Returns the maximum of size x size values at stride 2, of x >= 0.

    PyTorch pads with -infinity; zeros give the same only after a ReLU.

    Args:
      x: feature map [batch, height, width, channels], nowhere negative.
      size: side of the square window.
      padding: zeros around x, see `pad`. One row and column at the end only are what PyTorch calls
        ceil_mode: a window of 3 that would stick out by one is taken all the same.
      name: layer name.
    """
    pool = keras.layers.MaxPooling2D(size, strides=2, padding="valid", name=name)
    return pool(pad(x, padding, name=name))


CEIL = ((0, 1), (0, 1))
"""The padding with which a 3x3 `max_pool` rounds up, as PyTorch's ceil_mode does."""


def he_normal(mode):
    """Returns He's normal initializer of a kernel, or zeros inside `zero_kernels`.

    Args:
      mode: 'fan_out' or 'fan_in'.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10 (fan_in) and 14 (fan_out).
    """
    if not _RANDOM_KERNELS.get():
        return keras.initializers.Zeros()
    # A new initializer each time: a Keras initializer without a seed repeats its values.
    return keras.initializers.VarianceScaling(2.0, mode=mode, distribution="untruncated_normal")
