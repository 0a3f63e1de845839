import io
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

from tests.fuzz.corpus import planted_pickle, zip_bomb
from tests.models.classifiers import images, tiny
from tfcovid.models.network_file import read_network


@pytest.fixture
def saved(tmp_path):
    """A network's file, and the members of the archive that it is."""
    model = tiny()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return model, tmp_path / "model.keras", members


def rewritten(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)


def with_layer(members, **changes):
    """Returns the members with the last layer described otherwise."""
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1] |= changes
    return members | {"config.json": json.dumps(config).encode()}


def test_network_comes_back_with_its_weights(saved):
    model, path, _ = saved
    np.testing.assert_array_equal(read_network(path)(images()), model(images()))


def test_compiled_network_is_read_whatever_its_optimizer_is(saved):
    model, path, _ = saved
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10**6)))
    model.save(path)
    assert not read_network(path).compiled


def planted_lambda(canary):
    """Returns the config of a layer that makes a file when it is called or unpickled."""
    where = str(canary)
    layer = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(where).touch(), x)[1])
    return {**keras.saving.serialize_keras_object(layer), "build_config": {}}


STRANGERS = {
    "system": {"module": "os", "class_name": "system"},
    "eval": {"module": "builtins", "class_name": "function", "config": "eval"},
    "subprocess": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch"]}},
    "a SavedModel": {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "config": {"filepath": "/tmp/model"},
    },
    "a vocabulary": {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"vocabulary": "/etc/passwd"},
    },
    "a function of Keras": {
        "module": "keras.utils",
        "class_name": "get_file",
        "config": {"origin": "http://localhost/x"},
    },
    "a name of ours in another module": {
        "module": "os",
        "class_name": "system",
        "registered_name": "tfcovid>system",
    },
    "no text": {"module": ["keras.layers"], "class_name": {"x": 1}},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_no_network_of_ours_is_made_of_is_refused_and_not_looked_up(saved, name):
    _, path, members = saved
    rewritten(path, with_layer(members, **STRANGERS[name]))
    with pytest.raises(ValueError, match="do not load this file") as raised:
        read_network(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_planted_lambda_does_not_run(saved, tmp_path):
    _, path, members = saved
    canary = tmp_path / "canary"
    rewritten(path, with_layer(members, **planted_lambda(canary)))
    with pytest.raises(ValueError, match=r"holds keras\.layers\.Lambda"):
        read_network(path)
    assert not canary.exists()


@pytest.mark.parametrize("number", [10**9, 1e300, float("inf"), float("nan")])
def test_layer_that_no_memory_would_hold_is_refused(saved, number):
    _, path, members = saved
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1]["config"]["units"] = number
    rewritten(path, members | {"config.json": json.dumps(config).encode()})
    with pytest.raises(ValueError, match="expected numbers up to 65536") as raised:
        read_network(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "assets/../../out", "assets/words.txt"])
def test_archive_with_other_members_is_refused_and_nothing_is_unpacked(saved, tmp_path, name):
    _, path, members = saved
    rewritten(path, members | {name: b"text"})
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match=r"expected config\.json, metadata\.json, model\.weights"):
        read_network(path)
    assert set(tmp_path.parent.rglob("*")) == before and not pathlib.Path("/tmp/out").exists()


def test_compressed_archive_such_as_a_bomb_is_refused_unread(saved):
    _, path, members = saved
    rewritten(path, members, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="not compressed"):
        read_network(path)
    path.write_bytes(zip_bomb("config.json", 64 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"expected config\.json, metadata\.json"):
        read_network(path)


def damaged(content):
    rng = np.random.default_rng(0)
    for _ in range(20):
        changed = bytearray(content)
        changed[rng.integers(len(changed))] ^= 255
        yield bytes(changed)


def test_damaged_weights_and_texts_are_one_line_that_names_the_file(saved, tmp_path):
    _, path, members = saved
    canary = tmp_path / "canary"
    others = [
        {"config.json": planted_pickle(canary)},
        {"config.json": b"[" * 100_000},
        {"config.json": b"[]"},
        {"config.json": b"{}"},
        {"model.weights.h5": b"no HDF5"},
        {"model.weights.h5": b""},
        *({"model.weights.h5": content} for content in damaged(members["model.weights.h5"][:2000])),
    ]
    for change in others:
        rewritten(path, members | change)
        with pytest.raises(ValueError, match="train again, or copy it once more") as raised:
            read_network(path)
        assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    for content in (b"", b"PK\x03\x04", io.BytesIO(planted_pickle(canary)).getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="train again, or copy it once more"):
            read_network(path)
    assert not canary.exists()
    with pytest.raises(ValueError, match="there is no such file"):
        read_network(path.with_name("gone.keras"))
