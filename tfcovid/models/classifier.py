"""The classifier: a backbone, its neck (pooling) and a linear head with float32 logits."""

import keras
import numpy as np

from tfcovid.models.backbones import apply_neck, build_backbone
from tfcovid.models.layers import image_input

HEAD_LAYER = "logits"
"""Name of the linear layer that is the head."""


def build_classifier(
    *,
    backbone,
    num_outputs,
    image_size,
    channels,
    dropout=0.0,
    batch_norm="train",
    head_bias=None,
    name="classifier",
):
    """Returns a model from images to logits.

    The backbone is the nested model `model.get_layer("backbone")`, whose output is
    the last feature map. The layer `necks.POOL_LAYER` gives the features that the
    head sees: their average or, for AlexNet, VGG19 and CNN19, what dense layers
    make of it. Pooling and head compute in float32 whatever the precision
    policy: a half-precision sigmoid is exactly 1 from logit 9 on.

    Args:
      backbone: a key of `backbones.BACKBONES`.
      num_outputs: number of logits: 1 for a binary task with one sigmoid, else
        the number of classes.
      image_size: side of the square input, px, or None for any size.
      channels: number of input channels.
      dropout: share of the features dropped before the head while training, in
        [0, 1); the dropouts between dense layers are the architecture's own.
      batch_norm: 'train' or 'frozen', see `build_backbone`.
      head_bias: initial bias of the head [num_outputs], for example from
        `prior_bias`, or None for zeros.
      name: model name.

    Returns:
      Model from float32 [batch, image_size, image_size, channels] to float32
      logits [batch, num_outputs].

    Raises:
      ValueError: if backbone or batch_norm is unknown, image_size is too small, or
        head_bias does not have num_outputs finite entries.
    """
    image = image_input(image_size, channels)
    features = build_backbone(
        backbone, image_size=image_size, channels=channels, batch_norm=batch_norm, name="backbone"
    )(image)
    x = apply_neck(backbone, features)
    x = keras.layers.Dropout(dropout, dtype="float32", name="dropout")(x)
    head = keras.layers.Dense(num_outputs, dtype="float32", name=HEAD_LAYER)
    model = keras.Model(image, head(x), name=name)
    if head_bias is not None:
        head.bias.assign(_checked_bias(head_bias, num_outputs))
    return model


def as_float32(model):
    """Returns the same network with the same weights, computing in float32 throughout.

    For evaluation and export of a model that was trained in mixed precision.

    Args:
      model: a functional Keras model, possibly with models nested in it.

    Returns:
      A new, uncompiled model with variables of its own.
    """
    return in_precision(model, "float32")


def in_precision(model, dtype, *, name=None):
    """Returns the same network with the same weights, computing in one type throughout.

    Args:
      model: a functional Keras model, possibly with models nested in it.
      dtype: 'float32' or 'float64'; the variables are of this type too.
      name: of the new model, or None for the name it has.

    Returns:
      A new, uncompiled model with variables of its own.
    """
    copy = blank_in_precision(model, dtype, name=name)
    copy.set_weights(model.get_weights())
    return copy


def blank_in_precision(model, dtype, *, name=None):
    """Returns what `in_precision` does, with new weights."""
    config = _with_batch_norms(_with_policy(model.get_config(), dtype), synchronized=False)
    return keras.Model.from_config(config if name is None else {**config, "name": name})


def synchronised(model):
    """Returns the same network with the same weights, whose batch norms see the whole batch.

    Where replicas share a batch, each takes its statistics over its own part otherwise.

    Args:
      model: a functional Keras model, possibly with models nested in it.

    Returns:
      A new, uncompiled model with variables of its own.
    """
    copy = keras.Model.from_config(_with_batch_norms(model.get_config(), synchronized=True))
    copy.set_weights(model.get_weights())
    return copy


def prior_bias(prior):
    """Returns the head bias with which an untrained network predicts the prior.

    Args:
      prior: probability of each class under the training weights, float
        [num_classes], positive, sums to 1; or the probability of the positive
        class alone, a float in (0, 1), for one sigmoid output.

    Returns:
      Bias in nats: log prior, float64 [num_classes], for a softmax; log odds,
      float64 [1], for one sigmoid output.

    Raises:
      ValueError: if the prior is not a probability distribution without zeros.
    """
    prior = np.asarray(prior, np.float64)
    if prior.ndim == 0 and 0 < prior < 1:
        return np.log(prior / (1 - prior))[np.newaxis]
    if prior.ndim == 1 and np.all(prior > 0) and np.isclose(prior.sum(), 1):
        return np.log(prior)
    raise ValueError(
        "prior must be one probability in (0, 1), or a positive probability for each class "
        f"that sum to 1. Received: prior={prior.tolist()}"
    )


def _checked_bias(head_bias, num_outputs):
    bias = np.asarray(head_bias, np.float32)
    if bias.shape != (num_outputs,) or not np.all(np.isfinite(bias)):
        raise ValueError(
            f"head_bias must have {num_outputs} finite entries, one for each output. "
            f"Received: head_bias={bias.tolist()}"
        )
    return bias


def _with_batch_norms(config, *, synchronized):
    if isinstance(config, dict):
        changed = {
            key: _with_batch_norms(value, synchronized=synchronized)
            for key, value in config.items()
        }
        return {**changed, "synchronized": synchronized} if "synchronized" in config else changed
    if isinstance(config, list | tuple):
        return type(config)(_with_batch_norms(one, synchronized=synchronized) for one in config)
    return config


def _with_policy(config, dtype):
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": dtype}}
        return {key: _with_policy(value, dtype) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_policy(value, dtype) for value in config)
    return config
