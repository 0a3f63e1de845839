"""The layer types of the source networks in float64 NumPy, for machines without PyTorch.

Inference mode only: what it proves is part of what PyTorch would.
"""

import numpy as np

EPSILON = 1e-5  # torch.nn.BatchNorm2d's default, which torchvision and timm keep


class NumpyOps:
    """PyTorch's layers in NumPy on the tensors of a checkpoint, called by their names in it.

    Args:
      tensors: name -> array, the names without the checkpoint's prefix.

    Attributes:
      used: names that a layer has asked for.
    """

    def __init__(self, tensors):
        self.tensors = tensors
        self.used = set()

    def images(self, images):
        """Returns images [batch, height, width, channels] as PyTorch has them."""
        return images.transpose(0, 3, 1, 2).astype(np.float64)

    def convolution(self, name, x, *, stride, padding, groups=1, bias=False):
        """Returns x convolved; groups is 1 or the number of channels.

        Padding is the same on each side, or (rows, columns).
        """
        weight = self._tensor(name, "weight")
        windows = _windows(_pad(x, padding, 0.0), weight.shape[-2:], stride)
        shift = self._tensor(name, "bias")[:, None, None] if bias else 0.0
        if groups == 1:
            return np.einsum("bchwij,ocij->bohw", windows, weight, optimize=True) + shift
        return np.einsum("bchwij,cij->bchw", windows, weight[:, 0], optimize=True) + shift

    def batch_norm(self, name, x, *, epsilon=EPSILON):
        """Returns x normalised by the running statistics."""
        variance = self._tensor(name, "running_var") + epsilon
        scale = self._tensor(name, "weight") / np.sqrt(variance)
        shift = self._tensor(name, "bias") - self._tensor(name, "running_mean") * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def linear(self, name, x):
        """Returns x through a linear layer."""
        return x @ self._tensor(name, "weight").T + self._tensor(name, "bias")

    def relu(self, x):
        """Returns max(x, 0)."""
        return np.maximum(x, 0)

    def relu6(self, x):
        """Returns min(max(x, 0), 6)."""
        return np.clip(x, 0, 6)

    def max_pool(self, x, *, size=3, padding=1, ceil=False):
        """Returns the maximum at stride 2, padded with -infinity.

        With `ceil` a window that sticks out at the end counts too.
        """
        x = _pad(x, padding, -np.inf)
        if ceil:
            x = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
        return _windows(x, (size, size), 2).max(axis=(-2, -1))

    def average_pool(self, x, *, size=2, stride=2, padding=0):
        """Returns the mean, padded with zeros that count."""
        return _windows(_pad(x, padding, 0.0), (size, size), stride).mean(axis=(-2, -1))

    def concatenate(self, maps):
        """Returns the maps one after the other along the channels."""
        return np.concatenate(maps, axis=1)

    def global_average(self, x):
        """Returns the mean over height and width, [batch, channels]."""
        return x.mean(axis=(2, 3))

    def to_numpy(self, x):
        """Returns a result as Keras lays it out: channels last."""
        return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x

    def _tensor(self, layer, parameter):
        name = f"{layer}.{parameter}"
        self.used.add(name)
        return self.tensors[name].astype(np.float64)


def _pad(x, padding, value):
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)), constant_values=value)


def _windows(x, sides, stride):
    """Returns the windows of a kernel, [batch, channels, height, width, *sides]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, sides, axis=(2, 3))
    return windows[:, :, ::stride, ::stride]
