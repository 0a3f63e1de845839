import dataclasses
import shutil

import h5py
import keras
import numpy as np
import pytest

from tfcovid.models.backbones import build_backbone
from tfcovid.models.input_contract import InputContract, contract_path
from tfcovid.models.weights_file import (
    load_backbone_weights,
    load_classifier,
    save_backbone_weights,
)

CONTRACT = InputContract(
    architecture="tiny",
    channels=1,
    low=-1024.0,
    high=1024.0,
    mean=(0.0,),
    std=(1.0,),
    image_size=32,
    head_outputs=0,
    class_names=(),
    source_sha256="ab" * 32,
    proof={},
)


def _backbone(seed, name="tiny", **kwargs):
    backbone = build_backbone(name, **{"image_size": 32, "channels": 1, **kwargs})
    rng = np.random.default_rng(seed)
    backbone.set_weights([rng.uniform(0.1, 1, v.shape) for v in backbone.variables])
    return backbone


def _same(a, b):
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def _dataset(file, name):
    found = []
    file.visititems(lambda _, item: found.append(item) if item.attrs.get("path") == name else None)
    return found[0]


@pytest.fixture
def float32_afterwards():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "x.weights.h5"
    save_backbone_weights(_backbone(1), path, CONTRACT)
    return path


def _edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    _forget_hash(path)


def _forget_hash(path):
    """Takes the hash out of the contract, which would tell of any change at once."""
    contract = InputContract.from_json(contract_path(path).read_text())
    contract_path(path).write_text(dataclasses.replace(contract, weights_sha256="").to_json())


def _replace(name, value):
    def change(file):
        dataset = _dataset(file, name)
        where, path = dataset.name, dataset.attrs["path"]
        del file[where]
        file[where] = value
        file[where].attrs["path"] = path

    return change


def _link_out(file):
    where = _dataset(file, "conv2/kernel").name
    del file[where]
    file[where] = h5py.ExternalLink("other.h5", "/kernel")


def _lie_outside(file):
    dataset = _dataset(file, "bn1/beta")
    where = dataset.name
    del file[where]
    outside = file.create_dataset(where, (16,), np.float32, external=[("/dev/zero", 0, 64)])
    outside.attrs["path"] = "bn1/beta"


def _refused(path, match):
    backbone, untouched = _backbone(2), _backbone(2)
    with pytest.raises(ValueError, match=match):
        load_backbone_weights(backbone, path)
    assert _same(backbone, untouched)


@pytest.mark.parametrize("name", ["tiny", "resnet18", "densenet121", "mobilenet_v2"])
def test_loading_gives_back_every_variable_and_the_contract(name, tmp_path):
    path = tmp_path / "x.weights.h5"
    contract = dataclasses.replace(CONTRACT, architecture=name)
    saved, loaded = _backbone(1, name), _backbone(2, name, batch_norm="frozen")
    save_backbone_weights(saved, path, contract)
    assert not _same(saved, loaded)
    again = load_backbone_weights(loaded, path)
    assert _same(saved, loaded)
    assert dataclasses.replace(again, weights_sha256="") == contract
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.contract.json", "x.weights.h5"]


def test_keras_load_weights_reads_the_same_file(weights):
    backbone = _backbone(2)
    backbone.load_weights(weights)
    assert _same(backbone, _backbone(1))


def test_loading_goes_by_path_and_not_by_position(weights):
    def swap(file):
        gamma, beta = _dataset(file, "bn1/gamma"), _dataset(file, "bn1/beta")
        gamma.attrs["path"], beta.attrs["path"] = "bn1/beta", "bn1/gamma"

    _edit(weights, swap)
    backbone, source = _backbone(2), _backbone(1)
    load_backbone_weights(backbone, weights)
    np.testing.assert_array_equal(backbone.get_layer("bn1").gamma, source.get_layer("bn1").beta)


def test_weights_load_into_a_mixed_precision_backbone(weights, float32_afterwards):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    backbone = _backbone(2)
    load_backbone_weights(backbone, weights)
    assert _same(backbone, _backbone(1))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: f.__delitem__(_dataset(f, "conv2/kernel").name), "missing conv2/kernel; not"),
        (
            lambda f: f.create_dataset("more", data=np.ones(3)).attrs.update(path="fc/kernel"),
            "missing nothing; not in the backbone fc/kernel",
        ),
        (lambda f: f.create_dataset("more", data=np.ones(3)), "more has no variable path"),
        (
            lambda f: f.create_dataset("more", data=np.ones(3)).attrs.update(path="bn1/beta"),
            "has no variable path of its own",
        ),
        (
            _replace("bn1/beta", np.ones((1, 16), np.float32)),
            r"bn1/beta must have shape \(16,\). Received: \(1, 16\)",
        ),
        (_replace("bn1/beta", np.ones(16)), "bn1/beta must be float32. Received: float64"),
        (_replace("bn3/gamma", np.full(64, np.nan, np.float32)), "bn3/gamma has values that are"),
        (_replace("bn3/gamma", np.full(64, np.inf, np.float32)), "bn3/gamma has values that are"),
        (
            _replace("bn2/moving_variance", np.full(32, -1, np.float32)),
            "bn2/moving_variance must not be negative",
        ),
        (_link_out, "missing conv2/kernel"),
        (_lie_outside, "lies in another file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_loaded(weights, change, match):
    _edit(weights, change)
    _refused(weights, match)


def test_weights_of_another_architecture_are_refused_with_a_few_names(weights):
    backbone = _backbone(2, "resnet18")
    with pytest.raises(ValueError, match=r"\(tiny\) does not fit .*layer1_0_bn2/beta and 90 more;"):
        load_backbone_weights(backbone, weights)


def test_another_number_of_channels_is_refused(weights):
    with pytest.raises(ValueError, match="build it with channels=1"):
        load_backbone_weights(_backbone(2, channels=3), weights)


def test_a_file_with_a_changed_byte_is_refused(weights):
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    _refused(weights, "belongs to another")


def test_weights_beside_the_contract_of_others_are_refused(weights, tmp_path):
    other = tmp_path / "other.weights.h5"
    save_backbone_weights(_backbone(3), other, CONTRACT)
    shutil.copy(contract_path(other), contract_path(weights))
    _refused(weights, "belongs to another x.weights.h5")


def test_a_file_that_is_not_hdf5_is_refused(weights):
    weights.write_bytes(b"not HDF5")
    _forget_hash(weights)
    _refused(weights, "not a readable HDF5 file")


@pytest.mark.parametrize("missing", ["x.weights.h5", "x.contract.json"])
def test_half_a_pair_is_refused(weights, missing):
    (weights.parent / missing).unlink()
    _refused(weights, rf"There is no file .*{missing}|{missing}: expected the input contract")


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    backbone = _backbone(1)
    backbone.get_layer("bn1").beta.assign(np.full(16, np.nan, np.float32))
    with pytest.raises(ValueError, match="bn1/beta has values that are NaN"):
        save_backbone_weights(backbone, tmp_path / "x.weights.h5", CONTRACT)
    assert list(tmp_path.iterdir()) == []


def _with_head(outputs, seed):
    """Returns a flat network with a linear head, and the contract that says so."""
    backbone = _backbone(seed)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    logits = keras.layers.Dense(outputs, name="logits")(pooled)
    network = keras.Model(backbone.input, logits)
    head = np.random.default_rng(seed).normal(size=(64, outputs))
    network.get_layer("logits").set_weights([head, np.arange(outputs, dtype=np.float32)])
    return network, dataclasses.replace(CONTRACT, head_outputs=outputs)


def test_a_head_in_the_file_is_loaded_by_the_classifier_and_not_by_the_backbone(tmp_path):
    path = tmp_path / "x.weights.h5"
    network, contract = _with_head(5, seed=1)
    save_backbone_weights(network, path, contract)
    backbone = _backbone(2)
    load_backbone_weights(backbone, path)
    assert _same(backbone, _backbone(1))
    classifier, again = load_classifier(path, image_size=32)
    assert again.head_outputs == 5
    images = np.random.default_rng(3).normal(size=(2, 32, 32, 1)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(network(images))
    np.testing.assert_allclose(classifier(images), expected, rtol=1e-6)


def test_a_contract_that_says_another_head_than_there_is_is_refused(tmp_path):
    path = tmp_path / "x.weights.h5"
    network, contract = _with_head(5, seed=1)
    for outputs in (0, 4):
        wrong = dataclasses.replace(contract, head_outputs=outputs)
        with pytest.raises(ValueError, match=f"head_outputs={outputs}, but the head is"):
            save_backbone_weights(network, path, wrong)
    save_backbone_weights(network, path, contract)
    fields = dataclasses.replace(contract, head_outputs=4).to_json()
    contract_path(path).write_text(fields)
    _refused(path, "x.contract.json is not what the conversion wrote")


def test_a_contract_edited_by_hand_is_refused(weights):
    contract = InputContract.from_json(contract_path(weights).read_text())
    edited = dataclasses.replace(contract, low=0.0, high=255.0)
    contract_path(weights).write_text(edited.to_json())
    _refused(weights, "x.contract.json is not what the conversion wrote: say what the network")
    contract_path(weights).write_text(contract.to_json())
    load_backbone_weights(_backbone(2), weights)
