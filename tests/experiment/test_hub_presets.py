"""KerasHub's presets as weights files: from a folder that KerasHub saved, without a network."""

import hashlib

import keras
import keras_hub
import numpy as np
import pytest

from flags import choices
from flags.config import Config, ModelConfig
from flags.data_config import DataConfig
from tfcovid.console import open_console
from tfcovid.experiment import hub_presets, weights
from tfcovid.experiment.inputs import choose_preprocessing
from tfcovid.experiment.pretrained import find_start
from tfcovid.models import vit
from tfcovid.models.backbones import build_backbone
from tfcovid.models.classifier import build_classifier
from tfcovid.models.weights_file import load_backbone_weights, read_weights


def preset(folder, *, blocks=2, side=48, seed=0):
    """A preset with everything at random, and the network that KerasHub saved as it."""
    network = keras_hub.models.ViTBackbone(
        image_shape=(side, side, 3),
        patch_size=16,
        num_layers=blocks,
        num_heads=3,
        hidden_dim=192,
        mlp_dim=768,
        dtype="float32",
    )
    rng = np.random.default_rng(seed)
    network.set_weights([rng.normal(0, 0.2, v.shape) for v in network.variables])
    network.save_to_preset(str(folder))
    return network


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    """Two blocks where there are twelve."""
    monkeypatch.setattr(vit, "BLOCKS", 2)


@pytest.fixture
def converted(tmp_path):
    network = preset(tmp_path / "preset")
    output = tmp_path / "x.weights.h5"
    hub_presets.convert_preset(tmp_path / "preset", output, architecture="vit_tiny16")
    return network, output


def images(seed=1):
    return np.random.default_rng(seed).normal(size=(3, 48, 48, 3)).astype(np.float32)


def test_a_classifier_with_the_converted_weights_sees_the_tokens_of_kerashubs_network(converted):
    network, path = converted
    model = build_classifier(backbone="vit_tiny16", num_outputs=3, image_size=48, channels=3)
    load_backbone_weights(model.get_layer("backbone"), path)
    ours = np.asarray(model.get_layer("backbone")(images()))
    np.testing.assert_allclose(ours, network(images()), rtol=1e-4, atol=1e-5)
    assert np.abs(ours[0] - ours[1]).max() > 0.01


def test_every_variable_has_a_path_of_its_own_in_the_file(converted):
    network, path = converted
    contract, values = read_weights(path)
    assert len(values) == len(network.variables) == 4 + 2 * 16 + 2
    np.testing.assert_array_equal(
        values["vit_encoder/transformer_block_2/mha/value/kernel"],
        next(v for v in network.variables if v.path.endswith("block_2/mha/value/kernel")),
    )
    assert contract.mean == contract.std == (0.5, 0.5, 0.5)
    assert (contract.low, contract.high, contract.image_size) == (0.0, 1.0, 48)
    source = path.parent / "preset" / "model.weights.h5"
    assert contract.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert contract.proof["relative_difference"] <= 1e-5


def test_under_mixed_precision_the_same_file_is_written(converted, tmp_path):
    _, path = converted
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        again = tmp_path / "again.weights.h5"
        hub_presets.convert_preset(tmp_path / "preset", again, architecture="vit_tiny16")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    first, second = read_weights(path)[1], read_weights(again)[1]
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_another_image_size_is_refused_and_leaves_the_backbone_as_it_was(converted):
    backbone = build_backbone("vit_tiny16", image_size=64, channels=3)
    before = backbone.get_weights()
    with pytest.raises(
        ValueError, match=r"position_embedding/embeddings must have shape \(17, 192\)"
    ):
        load_backbone_weights(backbone, converted[1])
    assert all(map(np.array_equal, backbone.get_weights(), before))


def test_weights_imagenet_downloads_once_converts_and_says_so(tmp_path, monkeypatch, capsys):
    preset(tmp_path / "preset")
    monkeypatch.setenv("TFCOVID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(hub_presets.PRESETS, "vit_tiny16", "of_the_test")
    asked = []

    def fetch(architecture):
        asked.append(architecture)
        return tmp_path / "preset"

    monkeypatch.setattr(hub_presets, "fetch_preset", fetch)
    model = ModelConfig(
        backbone=choices.Backbone.VIT_BASE16, weights=choices.PublishedWeights.IMAGENET
    )
    object.__setattr__(model, "backbone", choices.Backbone.VIT_TINY16)  # nobody publishes it
    path = weights.find_weights(model.weights, model.backbone, open_console())
    assert path == tmp_path / "cache" / "weights" / "imagenet-vit_tiny16.weights.h5"
    assert "imagenet from" in capsys.readouterr().out
    assert weights.find_weights(model.weights, model.backbone, open_console()) == path
    assert asked == ["vit_tiny16"]
    taken = ModelConfig(backbone=choices.Backbone.VIT_TINY16, weights=path)
    config = Config(model=taken, data=DataConfig(image_size=48))
    preprocessing = choose_preprocessing(config, find_start(config, open_console()))
    assert (preprocessing.mean, preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)
    with pytest.raises(
        ValueError, match=r"^--image_size=64 with \S+weights\.h5: expected 48, for a vit"
    ):
        find_start(Config(model=taken, data=DataConfig(image_size=64)), open_console())


def test_a_preset_of_another_network_and_a_folder_that_is_none_are_refused(tmp_path):
    preset(tmp_path / "deep", blocks=3)
    with pytest.raises(ValueError, match=r"^--weights=imagenet: .*deep is not a vit_tiny16"):
        hub_presets.convert_preset(
            tmp_path / "deep", tmp_path / "x.weights.h5", architecture="vit_tiny16"
        )
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"^--weights=imagenet: .*empty is no preset") as raised:
        hub_presets.convert_preset(
            tmp_path / "empty", tmp_path / "x.weights.h5", architecture="vit_tiny16"
        )
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("x.*"))


def test_the_preset_is_kerashubs_and_no_network_is_one_clear_line(monkeypatch):
    assert hub_presets.PRESETS["vit_base16"] in keras_hub.models.ViTBackbone.presets
    monkeypatch.setattr(hub_presets, "API", "http://127.0.0.1:9")
    with pytest.raises(
        ValueError, match=r"^--weights=imagenet: http://127.0.0.1:9 does not"
    ) as raised:
        hub_presets.fetch_preset("vit_base16")
    assert "\n" not in str(raised.value)


def test_what_kaggles_client_raises_is_one_clear_line(monkeypatch):
    def refuse(handle):
        raise RuntimeError(f"no {handle}")

    monkeypatch.setattr(hub_presets, "_refuse_unreachable", lambda preset: None)
    monkeypatch.setattr("kagglehub.model_download", refuse)
    expected = (
        r"^--weights=imagenet: .*RuntimeError: no keras/vit/keras/vit_base_patch16_224_imagenet/"
    )
    with pytest.raises(ValueError, match=expected):
        hub_presets.fetch_preset("vit_base16")
