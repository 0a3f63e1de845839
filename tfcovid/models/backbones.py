"""The backbones by name."""

from collections.abc import Callable

import keras

from tfcovid.models import densenet, mobilenet_v2, resnet, tiny

BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "densenet121": densenet.densenet121,
    "mobilenet_v2": mobilenet_v2.mobilenet_v2,
    "tiny": tiny.tiny,
}


def build_backbone(backbone, *, image_size, channels, batch_norm="train", name="backbone"):
    """Returns the named network from the input image to the last feature map.

    Args:
      backbone: a key of BACKBONES.
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' to normalise with batch statistics while training,
        'frozen' to use the stored statistics always.
      name: model name.

    Returns:
      Model from float32 [batch, image_size, image_size, channels] to a feature
      map [batch, height, width, features].

    Raises:
      ValueError: if there is no backbone of that name, or batch_norm is
        neither 'train' nor 'frozen'.
    """
    if backbone not in BACKBONES:
        raise ValueError(
            f"No backbone is called {backbone!r}; choose one of {', '.join(BACKBONES)}."
        )
    return BACKBONES[backbone](
        image_size=image_size, channels=channels, batch_norm=batch_norm, name=name
    )
