"""The backbones by name, and the neck that each brings."""

from collections.abc import Callable

import keras

from tfcovid.models import (
    alexnet,
    cnn19,
    densenet,
    inception_v3,
    mobilenet_v2,
    resnet,
    squeezenet,
    tiny,
    vgg,
)
from tfcovid.models.necks import average_neck

BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "resnet101": resnet.resnet101,
    "densenet121": densenet.densenet121,
    "mobilenet_v2": mobilenet_v2.mobilenet_v2,
    "vgg19": vgg.vgg19,
    "inception_v3": inception_v3.inception_v3,
    "alexnet": alexnet.alexnet,
    "squeezenet": squeezenet.squeezenet,
    "cnn19": cnn19.cnn19,
    "tiny": tiny.tiny,
}

DENSE_NECKS: dict[str, Callable] = {
    "vgg19": vgg.neck,
    "alexnet": alexnet.neck,
    "cnn19": cnn19.neck,
}
"""The necks of the backbones that have dense layers before the head; the others average."""

SMALLEST_IMAGE_PX = {
    "densenet121": 29,
    "vgg19": 32,
    "inception_v3": 75,
    "alexnet": 63,
    "squeezenet": 17,
    "cnn19": 32,
}
"""The smallest image that leaves a feature map; the other backbones take any."""


def build_backbone(backbone, *, image_size, channels, batch_norm="train", name="backbone"):
    """Returns the named network from the input image to the last feature map.

    Args:
      backbone: a key of BACKBONES.
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      batch_norm: 'train' to normalise with batch statistics while training,
        'frozen' to use the stored statistics always; no matter where there is
        no batch norm.
      name: model name.

    Returns:
      Model from float32 [batch, image_size, image_size, channels] to a feature
      map [batch, height, width, features].

    Raises:
      ValueError: if there is no backbone of that name, the image is too small
        for it, or batch_norm is neither 'train' nor 'frozen'.
    """
    if backbone not in BACKBONES:
        raise ValueError(
            f"No backbone is called {backbone!r}; choose one of {', '.join(BACKBONES)}."
        )
    smallest = SMALLEST_IMAGE_PX.get(backbone, 1)
    if image_size is not None and image_size < smallest:
        raise ValueError(
            f"--image_size={image_size}: expected {smallest} or more, because {backbone} leaves "
            "nothing of a smaller image"
        )
    return BACKBONES[backbone](
        image_size=image_size, channels=channels, batch_norm=batch_norm, name=name
    )


def apply_neck(backbone, feature_map):
    """Returns the features that the head sees, from the layer `necks.POOL_LAYER`.

    Args:
      backbone: a key of BACKBONES.
      feature_map: [batch, height, width, channels].

    Returns:
      float32 [batch, num_features].
    """
    return DENSE_NECKS.get(backbone, average_neck)(feature_map)
