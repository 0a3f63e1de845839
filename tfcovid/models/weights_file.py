"""Backbone weights on disk: X.weights.h5 with its input contract X.contract.json beside it.

The file is what Keras' `save_weights` writes, so `load_weights` reads it too. In
addition every dataset carries the path of its variable ("layer1_0_conv1/kernel")
as the attribute "path", and loading goes by these paths: Keras' own go by class
and position, under which two layers of one shape can change places unnoticed.

A file may hold a linear head besides, as "logits/kernel" and "logits/bias"; its contract then says
so (`head_outputs`). A backbone is loaded without it, a whole classifier with it.
"""

import dataclasses
import pathlib

import h5py
import numpy as np

from tfcovid.models.classifier import HEAD_LAYER, build_classifier
from tfcovid.models.input_contract import contract_path, read_contract
from tfcovid.models.variable_paths import annotate, variables_by_path
from tfcovid.whole_file import sha256_of

_CONTRACT = "contract_sha256"

# What h5py was seen to raise on damaged files; UnicodeDecodeError of their names.
_DAMAGE = (OSError, RuntimeError, LookupError, TypeError, AttributeError, UnicodeDecodeError)

_SHOWN = 5  # names listed in an error before it says how many more there are


def save_backbone_weights(backbone, path, contract):
    """Writes a backbone's weights and their input contract.

    Each file is written beside its place and then renamed. The contract holds
    the SHA-256 of the weights file, so a kill between the two renames leaves
    a pair that `load_backbone_weights` refuses.

    Args:
      backbone: built Keras model without nested models; with a layer "logits" where the
        contract has head_outputs.
      path: where to write, X.weights.h5; X.contract.json goes beside it.
      contract: `InputContract` of the weights.

    Raises:
      ValueError: if path does not end in .weights.h5, a variable is not
        float32 or not finite, or the contract has other input channels or
        head outputs than the backbone.
    """
    path, contract_file = pathlib.Path(path), contract_path(path)
    _check_channels(backbone, contract, contract_file)
    variables = variables_by_path(backbone)
    bias = variables.get(f"{HEAD_LAYER}/bias")
    if contract.head_outputs != (0 if bias is None else bias.shape[0]):
        raise ValueError(
            f"{contract_file.name} says head_outputs={contract.head_outputs}, but the head is "
            f"{None if bias is None else tuple(bias.shape)}."
        )
    for name, variable in variables.items():
        _check_values(name, np.asarray(variable), f"backbone {backbone.name!r}")
    partial = path.with_name(f".partial-{path.name}")
    backbone.save_weights(partial)
    _annotate(backbone, partial, contract)
    contract = dataclasses.replace(contract, weights_sha256=sha256_of(partial))
    partial_contract = contract_file.with_name(f".partial-{contract_file.name}")
    partial_contract.write_text(contract.to_json(), encoding="utf-8")
    partial.replace(path)
    partial_contract.replace(contract_file)


def load_backbone_weights(backbone, path):
    """Loads weights written by `save_backbone_weights` into a backbone, or nothing at all.

    Every variable of the backbone must be in the file and every one in the
    file, its head apart, in the backbone, with its shape, in float32 and finite.

    Args:
      backbone: built Keras model without nested models.
      path: X.weights.h5, with X.contract.json beside it.

    Returns:
      The `InputContract` of the weights.

    Raises:
      ValueError: if one of the two files is missing or broken, they do not
        belong together, or the weights do not fit; the backbone is unchanged.
    """
    contract = verified_contract(path)
    _check_channels(backbone, contract, contract_path(path))
    variables = variables_by_path(backbone)
    shapes = _shapes(variables)
    if contract.head_outputs:
        features = backbone.output_shape[-1]
        shapes |= {
            f"{HEAD_LAYER}/kernel": (features, contract.head_outputs),
            f"{HEAD_LAYER}/bias": (contract.head_outputs,),
        }
    values = _read(path, f"{path} ({contract.architecture})", shapes)
    for name, variable in variables.items():
        variable.assign(values[name])
    return contract


def load_classifier(path, *, image_size=None):
    """Returns the network of a weights file with the head it came with.

    Args:
      path: X.weights.h5, with X.contract.json beside it.
      image_size: side of the square input, px, or None for any size.

    Returns:
      (model, contract): the model of `classifier.build_classifier`, from images as the contract
      describes them to logits in the order of its class_names.

    Raises:
      ValueError: if the file holds no head, or for the reasons of `load_backbone_weights`.
    """
    contract = verified_contract(path)
    if not contract.head_outputs:
        raise ValueError(f"{path} holds no head: expected one converted with --head=keep")
    model = build_classifier(
        backbone=contract.architecture,
        num_outputs=contract.head_outputs,
        image_size=image_size,
        channels=contract.channels,
    )
    head = model.get_layer(HEAD_LAYER)
    variables = variables_by_path(model.get_layer("backbone"))
    variables |= {f"{HEAD_LAYER}/{variable.name}": variable for variable in head.variables}
    values = _read(path, f"{path} ({contract.architecture})", _shapes(variables))
    for name, variable in variables.items():
        variable.assign(values[name])
    return model, contract


def read_weights(path):
    """Returns the contract and the variables of a weights file.

    Args:
      path: X.weights.h5, with X.contract.json beside it.

    Returns:
      (contract, values): the `InputContract`, and "layer/variable" -> float32 array.

    Raises:
      ValueError: if one of the two files is missing or broken, they do not
        belong together, or a value is not float32 or not finite.
    """
    contract = verified_contract(path)
    return contract, _read(path, f"{path} ({contract.architecture})")


def verified_contract(path):
    """Returns the contract of a weights file once it is known that the two belong together.

    Args:
      path: X.weights.h5, with X.contract.json beside it.

    Raises:
      ValueError: if one of the two files is missing, the weights are not those the contract was
        written with, or the contract was changed since.
    """
    path, contract_file = pathlib.Path(path), contract_path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}; weights need X.weights.h5 and X.contract.json.")
    contract = read_contract(path)
    if contract.weights_sha256 not in ("", sha256_of(path)):
        raise ValueError(f"{contract_file.name} belongs to another {path.name}; convert again.")
    if _contract_digest(path) not in (None, contract.digest()):
        raise ValueError(
            f"{contract_file.name} is not what the conversion wrote: say what the network expects "
            "by the flags of python -m weights_conversion, and convert again"
        )
    return contract


def _contract_digest(path):
    """Returns the digest of the contract that the file was written with, None without one."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get(_CONTRACT)
    except _DAMAGE:  # what is no HDF5 file has its own line where it is read
        return None


def _shapes(variables):
    return {name: tuple(variable.shape) for name, variable in variables.items()}


def _annotate(backbone, path, contract):
    """Writes the path of each variable and the digest of the contract into Keras' own file."""
    with h5py.File(path, "r+") as file:
        annotate(file, backbone)
        file.attrs[_CONTRACT] = contract.digest()


def _read(path, what, shapes=None):
    """Returns the values by name; where shapes are given, only if it holds exactly these."""
    num_bytes = path.stat().st_size
    try:
        with h5py.File(path, "r") as file:
            datasets = _datasets(file, what)
            if shapes is not None:
                _check_shapes(datasets, shapes, what)
            # What is compressed, or was never written, may be larger than any memory.
            if sum(dataset.nbytes for dataset in datasets.values()) > num_bytes:
                raise ValueError(f"{what}: expected at most the {num_bytes:,} bytes of the file")
            values = {name: dataset[()] for name, dataset in datasets.items()}
    except _DAMAGE as error:
        raise ValueError(f"{what} is not a readable HDF5 file: {error}.") from error
    for name, value in values.items():
        _check_values(name, value, what)
    return values


def _check_shapes(datasets, shapes, what):
    missing, extra = sorted(set(shapes) - set(datasets)), sorted(set(datasets) - set(shapes))
    if missing or extra:
        raise ValueError(
            f"{what} does not fit the backbone: missing {_shown(missing)}; "
            f"not in the backbone {_shown(extra)}."
        )
    for name, dataset in datasets.items():
        if dataset.shape != shapes[name]:
            raise ValueError(
                f"{what}: {name} must have shape {shapes[name]}. Received: {dataset.shape}"
            )


def _datasets(file, what):
    datasets = {}

    # Soft and external links are not visited: what hides behind one counts as missing.
    def collect(where, item):
        if not isinstance(item, h5py.Dataset):
            return
        name = item.attrs.get("path")
        if not isinstance(name, str) or name in datasets or item.is_virtual or item.external:
            raise ValueError(
                f"{what}: dataset {where} has no variable path of its own (path={name!r}) or lies "
                "in another file; convert the weights again."
            )
        datasets[name] = item

    file.visititems(collect)
    return datasets


def _check_values(name, value, where):
    if value.dtype != np.float32:
        raise ValueError(f"{where}: {name} must be float32. Received: {value.dtype}")
    if not np.all(np.isfinite(value)):
        raise ValueError(f"{where}: {name} has values that are NaN or infinite.")
    if name.endswith("/moving_variance") and np.any(value < 0):
        raise ValueError(f"{where}: {name} must not be negative. Received: {value.min()}")


def _check_channels(backbone, contract, contract_file):
    channels = backbone.input_shape[-1]
    if channels != contract.channels:
        raise ValueError(
            f"{contract_file.name} says channels={contract.channels}, but the backbone takes "
            f"{channels}; build it with channels={contract.channels}."
        )


def _shown(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
