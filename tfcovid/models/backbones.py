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
    vit,
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
    "vit_base16": vit.vit_base16,
    "vit_tiny16": vit.vit_tiny16,
    "tiny": tiny.tiny,
}

DENSE_NECKS: dict[str, Callable] = {
    "vgg19": vgg.neck,
    "alexnet": alexnet.neck,
    "cnn19": cnn19.neck,
}
"""The necks of the backbones that have dense layers before the head."""

CLASS_TOKEN_NECKS: dict[str, Callable] = {"vit_base16": vit.neck, "vit_tiny16": vit.neck}
"""Those of the transformers, without weights as the average that all others have."""

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
      image_size: side of the square input, px, or None for any size, which a transformer
        cannot take.
      channels: number of input channels.
      batch_norm: 'train' to normalise with batch statistics while training,
        'frozen' to use the stored statistics always; no matter where there is
        no batch norm.
      name: model name.

    Returns:
      Model from float32 [batch, image_size, image_size, channels] to a feature
      map [batch, height, width, features], of a transformer to tokens
      [batch, tokens, features].

    Raises:
      ValueError: if there is no backbone of that name, the image is too small
        for it or no multiple of a transformer's patches, batch_norm is neither
        'train' nor 'frozen', or an extra that it needs is not installed.
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
      feature_map: what the backbone gives.

    Returns:
      float32 [batch, num_features].
    """
    necks = {**DENSE_NECKS, **CLASS_TOKEN_NECKS}
    return necks.get(backbone, average_neck)(feature_map)


def apply_weightless_neck(backbone, feature_map):
    """Returns features of converted weights alone: the neck if it has no weights, else the average.

    Dense layers are in no weights file, and would be random.

    Args:
      backbone: a key of BACKBONES.
      feature_map: what the backbone gives.

    Returns:
      float32 [batch, num_features].
    """
    return CLASS_TOKEN_NECKS.get(backbone, average_neck)(feature_map)
