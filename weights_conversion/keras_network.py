"""The Keras side of a conversion: the network, its variables by name, and taps after each stage."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, MutableMapping
from concurrent.futures import Future

import keras
import numpy as np

from tfcovid.models.backbones import build_backbone
from tfcovid.models.classifier import HEAD_LAYER, blank_in_precision
from tfcovid.models.layers import zero_kernels
from weights_conversion.namings import Naming


def build_network(naming: Naming, *, channels: int, num_outputs: int) -> keras.Model:
    """Returns the network from images to its stages' feature maps and its logits, any image size.

    Args:
      naming: names the architecture and its stages.
      channels: number of input channels.
      num_outputs: number of logits, 0 for a network without a head.

    Returns:
      Flat model from float32 [batch, height, width, channels] to a list: the output of each of the
      naming's stages, then, with a head, the logits.
    """
    with zero_kernels(), _float32():
        backbone = build_backbone(naming.architecture, image_size=None, channels=channels)
        outputs = [backbone.get_layer(layer).output for layer in naming.stages.values()]
        if num_outputs:
            pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
            outputs.append(keras.layers.Dense(num_outputs, name=HEAD_LAYER)(pooled))
        return keras.Model(backbone.input, outputs, name="backbone")


@contextlib.contextmanager
def _float32():
    """Builds in float32 whatever the user's Keras is set to, which is no part of a proof."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def variables_by_name(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns "layer/variable" -> variable of a flat model."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
    }


def values_by_name(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns "layer/variable" -> what it holds now, of a flat model."""
    # keras.ops.convert_to_numpy reads a variable in the way of NumPy 1, which warns.
    return {name: np.array(v.value.numpy()) for name, v in variables_by_name(model).items()}


@contextlib.contextmanager
def deferred_variables() -> Iterator[None]:
    """Leaves the variables of networks built inside without a value until the end of the block.

    `start_at` gives them theirs before it. To make a variable of zeros and then to assign to it
    takes twice as long, and of a ResNet50 that is half of its conversion.
    """
    with keras.StatelessScope():
        yield


def in_order(value: np.ndarray, dtype: str) -> np.ndarray:
    """Returns a value as a variable takes it: rounded to its type, its axes in order in memory."""
    return np.ascontiguousarray(value, dtype=dtype)


def start_at(
    model: keras.Model,
    values: Mapping[str, np.ndarray],
    begun: MutableMapping[str, Future[np.ndarray]] | None = None,
) -> None:
    """Makes every variable start at its value, rounded to the variable's type.

    Args:
      model: a flat model, built inside `deferred_variables`, which has not ended.
      values: variable name -> array, exactly those of the model.
      begun: variable name -> its value `in_order` in the variable's type, once that is done; not
        all need be there. Those that are taken are removed, so that each copy goes with its use.

    Raises:
      ValueError: if a variable has no value, a value no variable, or the shapes differ.
    """
    variables = variables_by_name(model)
    if variables.keys() != values.keys():
        odd = sorted(variables.keys() ^ values.keys())
        raise ValueError(f"values and variables are not the same: {odd[:3]}")
    for name, variable in variables.items():
        if values[name].shape != tuple(variable.shape):
            raise ValueError(
                f"{name} has shape {tuple(variable.shape)}, its value {values[name].shape}"
            )
        # Keras gives a deferred variable no other way to an initializer of its own. A value that
        # was not begun is put in order only when its variable is made: one copy is alive then.
        ready = begun.pop(name, None) if begun else None
        made = ready.result if ready else functools.partial(in_order, values[name], variable.dtype)
        variable._initializer = functools.partial(_initial, made)


def _initial(made, shape, dtype=None):
    """Returns what is made; the last two arguments are those of every initializer."""
    del shape, dtype
    return made()


def double_precision(model: keras.Model, values: Mapping[str, np.ndarray]) -> keras.Model:
    """Returns a float64 copy of the network that holds the values unrounded."""
    with deferred_variables():
        copy = blank_in_precision(model, "float64")
        start_at(copy, values)
    return copy
