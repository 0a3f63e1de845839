"""The layer types of the source networks on PyTorch."""

import torch
from torch.nn import functional

EPSILON = 1e-5  # torch.nn.BatchNorm2d's default, which torchvision and timm keep
MOMENTUM = 0.1


class TorchOps:
    """PyTorch's layers on the tensors of a checkpoint, called by their names in it.

    Args:
      tensors: name -> array, the names without the checkpoint's prefix.
      dtype: torch.float32 or torch.float64, what is computed in.
      training: whether batch norm takes the statistics of the batch and moves the stored ones.

    Attributes:
      tensors: name -> tensor; after a training step the running statistics have moved.
      used: names that a layer has asked for.
      biased: names of the convolutions with bias.
      batch_sizes: batch norm's name -> values per channel in the last batch, while training.
    """

    def __init__(self, tensors, *, dtype=torch.float32, training=False):
        self.tensors = {name: torch.tensor(value, dtype=dtype) for name, value in tensors.items()}
        self.dtype = dtype
        self.training = training
        self.used = set()
        self.biased = []
        self.batch_sizes = {}
        if training:
            for name, tensor in self.tensors.items():
                tensor.requires_grad_(not name.endswith(("running_mean", "running_var")))

    def images(self, images):
        """Returns images [batch, height, width, channels] as PyTorch has them."""
        return torch.tensor(images.transpose(0, 3, 1, 2), dtype=self.dtype)

    def convolution(self, name, x, *, stride, padding, groups=1, bias=False):
        """Returns x convolved; padding is the same on each side, or (rows, columns)."""
        weight = self._tensor(name, "weight")
        shift = self._tensor(name, "bias") if bias else None
        if bias:
            self.biased.append(name)
        return functional.conv2d(x, weight, shift, stride=stride, padding=padding, groups=groups)

    def batch_norm(self, name, x, *, epsilon=EPSILON):
        """Returns x normalised, by the batch while training, else by the running statistics."""
        self.batch_sizes[name] = x.numel() // x.shape[1]
        return functional.batch_norm(
            x,
            self._tensor(name, "running_mean"),
            self._tensor(name, "running_var"),
            self._tensor(name, "weight"),
            self._tensor(name, "bias"),
            training=self.training,
            momentum=MOMENTUM,
            eps=epsilon,
        )

    def linear(self, name, x):
        """Returns x through a linear layer."""
        return functional.linear(x, self._tensor(name, "weight"), self._tensor(name, "bias"))

    def relu(self, x):
        """Returns max(x, 0)."""
        return functional.relu(x)

    def relu6(self, x):
        """Returns min(max(x, 0), 6)."""
        return functional.relu6(x)

    def max_pool(self, x, *, size=3, padding=1, ceil=False):
        """Returns the maximum at stride 2, padded with -infinity."""
        return functional.max_pool2d(x, size, stride=2, padding=padding, ceil_mode=ceil)

    def average_pool(self, x, *, size=2, stride=2, padding=0):
        """Returns the mean, padded with zeros that count."""
        return functional.avg_pool2d(x, size, stride=stride, padding=padding)

    def concatenate(self, maps):
        """Returns the maps one after the other along the channels."""
        return torch.cat(maps, dim=1)

    def global_average(self, x):
        """Returns the mean over height and width, [batch, channels]."""
        return x.mean(dim=(2, 3))

    def backward(self, x, direction):
        """Computes the gradients of the sum of x * direction; direction is laid out as in Keras."""
        direction = direction.transpose(0, 3, 1, 2) if direction.ndim == 4 else direction
        x.backward(torch.tensor(direction, dtype=self.dtype))

    def gradient(self, name):
        """Returns the gradient of a tensor after `backward`, as PyTorch lays it out."""
        gradient = self.tensors[name].grad
        if gradient is None:
            raise ValueError(f"no gradient has reached {name}")
        return gradient.numpy()

    def to_numpy(self, x):
        """Returns a result as Keras lays it out: channels last."""
        x = x.detach().numpy()
        return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x

    def _tensor(self, layer, parameter):
        name = f"{layer}.{parameter}"
        self.used.add(name)
        return self.tensors[name]
