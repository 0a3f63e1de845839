"""The features that the head of a classifier sees, whatever it is made of."""

import keras

from tfcovid.models.backbones import apply_weightless_neck
from tfcovid.models.ensemble import members_of
from tfcovid.models.necks import POOL_LAYER


def feature_model(model):
    """Returns the network from the image to the features that the head sees.

    Args:
      model: a classifier: a backbone with a linear or a boosted head, or an ensemble.

    Returns:
      Model on the same variables, from the input of `model` to float32 [batch, num_features]: the
      output of `necks.POOL_LAYER`; of an ensemble those of all its members, one behind the other.
    """
    return _feature_model(model, "features")


def _feature_model(model, name):
    members = members_of(model)
    if not members:
        return keras.Model(model.input, model.get_layer(POOL_LAYER).output, name=name)
    parts = [_feature_model(member, f"of_{member.name}")(seen.output) for seen, member in members]
    joined = keras.layers.Concatenate(axis=-1, name="joined")(parts) if parts[1:] else parts[0]
    return keras.Model(model.input, joined, name=name)


def weightless_features(architecture, backbone):
    """Returns the network from the image to what frozen weights alone say of it.

    The architecture's own neck is left out where it has weights: dense layers are in no weights
    file, and would be random.

    Args:
      architecture: a key of `backbones.BACKBONES`.
      backbone: its model; it becomes the layer "backbone".

    Returns:
      Model on the same variables, from the input of `backbone` to float32 [batch, num_features].
    """
    image = keras.Input(backbone.input_shape[1:], name="image")
    return keras.Model(image, apply_weightless_neck(architecture, backbone(image)), name="features")
