"""Vision transformers from KerasHub: ViT-B/16, and one small enough for random weights.

KerasHub is imported where one is built, and nowhere else: it is an extra that every other
architecture does without.

Source: Dosovitskiy et al. 2020, arXiv:2010.11929, table 1 (ViT-B); Touvron et al. 2020,
arXiv:2012.12877, table 1 (DeiT-Ti, without its distillation).
"""

import keras

from tfcovid.models.necks import POOL_LAYER

PATCH_PX = 16
BLOCKS = 12
EXTRA = "pip install -r requirements-vit.txt"


def vit_base16(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns ViT-B/16, from the input image to its tokens behind the last norm.

    Args:
      image_size: side of the square input, px, a multiple of 16.
      channels: number of input channels.
      batch_norm: has no effect: there is none.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, 1 + (image_size / 16)^2, 768]; the first token is the class token.

    Raises:
      ValueError: if image_size is no multiple of 16, or KerasHub is not installed.
    """
    del batch_norm
    return _vit("vit_base16", image_size, channels, name, width=768, heads=12)


def vit_tiny16(*, image_size, channels, batch_norm="train", name="backbone"):
    """Returns a ViT of DeiT-Ti's sizes: that of `vit_base16`, with 192 in place of 768.

    Args:
      image_size: side of the square input, px, a multiple of 16.
      channels: number of input channels.
      batch_norm: has no effect: there is none.
      name: model name.

    Returns:
      Model from [batch, image_size, image_size, channels] to
      [batch, 1 + (image_size / 16)^2, 192]; the first token is the class token.

    Raises:
      ValueError: if image_size is no multiple of 16, or KerasHub is not installed.
    """
    del batch_norm
    return _vit("vit_tiny16", image_size, channels, name, width=192, heads=3)


@keras.saving.register_keras_serializable(package="tfcovid")
class ClassToken(keras.layers.Layer):
    """Gives the first of the tokens, which stands for the whole image.

    Args:
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, tokens):
        """Returns [batch, width] of [batch, tokens, width]."""
        return tokens[:, 0]


def neck(tokens):
    """Returns the class token: the features that the head sees, float32 [batch, width].

    Args:
      tokens: [batch, tokens, width].
    """
    return ClassToken(name=POOL_LAYER)(tokens)


def import_keras_hub(architecture):
    """Returns the module keras_hub.

    Args:
      architecture: what it is needed for.

    Raises:
      ValueError: if it is not installed, or lacks something itself.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ValueError(f"{architecture} needs KerasHub ({error}): {EXTRA}") from error
    return keras_hub


def _vit(architecture, image_size, channels, name, *, width, heads):
    if image_size is None or image_size % PATCH_PX:
        raise ValueError(
            f"--image_size={image_size}: expected a multiple of {PATCH_PX}, because {architecture} "
            f"cuts images into patches of {PATCH_PX} px"
        )
    return import_keras_hub(architecture).models.ViTBackbone(
        image_shape=(image_size, image_size, channels),
        patch_size=PATCH_PX,
        num_layers=BLOCKS,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=4 * width,
        name=name,
    )
