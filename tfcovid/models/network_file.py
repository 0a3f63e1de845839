"""Reads a network from a `.keras` file as data: nothing that it names is looked up or run.

A `.keras` file is a zip archive: its config.json names classes that are built, model.weights.h5
holds what they are filled with. Keras' safe mode refuses code that the file carries; this refuses
before it whatever the project's networks are not made of, so that a layer of Keras which reads a
file, asks a network or starts another runtime is not even built.
"""

import json
import pathlib
import struct
import zipfile
import zlib
from typing import Any

import keras

_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
# That of ResNet101 has 350 kB.
_MOST_CONFIG_BYTES = 16 << 20
# The largest number in one is 25088, of VGG19; a layer is given its memory before it is filled.
_HIGHEST_NUMBER = 1 << 16

_CLASSES = {
    "keras": ("DTypePolicy",),
    "keras.initializers": ("GlorotUniform", "Ones", "VarianceScaling", "Zeros"),
    "keras.layers": (
        *("Add", "AveragePooling2D", "Concatenate", "Conv2D", "Dense", "DepthwiseConv2D"),
        *("Dropout", "Flatten", "GlobalAveragePooling2D", "Identity", "InputLayer"),
        *("MaxPooling2D", "ReLU", "Rescaling", "Reshape", "ZeroPadding2D"),
    ),
    "keras.src.models.functional": ("Functional",),
    "keras_hub.src.models.vit.vit_backbone": ("ViTBackbone",),
}
"""What the networks of this project are made of, beside its own registered layers."""
_OWN = ("tfcovid.models.", "tfcovid>")

# Keras' name of an object that stands in two places; Python's address of it, any large number.
_ADDRESS = "shared_object_id"

# What damaged files were seen to raise in Keras, h5py and zipfile.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_network(path: pathlib.Path) -> keras.Model:
    """Returns the network in a `.keras` file, uncompiled.

    Args:
      path: a file that this project wrote.

    Raises:
      ValueError: if it is no such file, is damaged, or is made of other layers than the project's
        networks; one line that names the file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the network of a run, there is no such file")
    try:
        config = _config_of(path)
    except _DAMAGE as error:
        raise ValueError(_line(path, error)) from error
    _refuse_strangers(config, path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except _DAMAGE as error:
        raise ValueError(_line(path, error)) from error
    if not isinstance(model, keras.Model):
        raise ValueError(_line(path, TypeError(f"a {type(model).__name__}")))
    return model


def _config_of(path: pathlib.Path) -> dict[str, Any]:
    """Returns what config.json says of the network.

    Raises:
      ValueError: if the archive has other members, or compressed ones, or a very long one.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = sorted(member.filename for member in members)
        if names != sorted(_MEMBERS):
            raise ValueError(f"expected {', '.join(_MEMBERS)} in it, found {', '.join(names[:5])}")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("expected members that are not compressed")
        if archive.getinfo("config.json").file_size > _MOST_CONFIG_BYTES:
            raise ValueError(f"config.json has more than {_MOST_CONFIG_BYTES:,} bytes")
        config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("config.json holds no object")
    # Optimizer and losses are not looked at: the network is not compiled.
    return {key: value for key, value in config.items() if key != "compile_config"}


def _refuse_strangers(config: Any, path: pathlib.Path) -> None:
    """Raises ValueError if a config names a class, or a number, that no network here has."""
    todo = [config]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if "class_name" in value and not _is_known(value):
                raise ValueError(
                    f"{path}: holds {value.get('module')}.{value['class_name']}, which no network "
                    "of this project is made of; nothing of it was run: do not load this file, "
                    "get it from who trained it"
                )
            todo += (inside for key, inside in value.items() if key != _ADDRESS)
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, int | float) and not abs(value) <= _HIGHEST_NUMBER:
            raise ValueError(
                f"{path}: expected numbers up to {_HIGHEST_NUMBER} in config.json. "
                f"Received: {value}."
            )


def _is_known(described: dict[str, Any]) -> bool:
    module, name = described.get("module"), described["class_name"]
    registered = described.get("registered_name")
    if name == "__keras_tensor__":
        return True
    if isinstance(module, str) and isinstance(registered, str):
        own_module, own_name = _OWN
        if module.startswith(own_module) and registered.startswith(own_name):
            return True
    return isinstance(module, str) and name in _CLASSES.get(module, ())


def _line(path: pathlib.Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"{path}: damaged or incomplete, or no network of this project ({reason}); train again, or "
        "copy it once more from where the run was made"
    )
