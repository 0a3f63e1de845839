"""Published weights by name: from PyTorch's cache, from a hub, or a clear line."""

import dataclasses
import hashlib

import pytest
import safetensors.torch
import torch

from flags import choices
from flags.config import Config, ModelConfig
from tests.weights_conversion.fake_hub import fake_hub
from tests.weights_conversion.source_checkpoints import mobilenet_timm, network, renamed
from tfcovid.console import open_console
from tfcovid.experiment import hub_presets, weights
from tfcovid.experiment.inputs import choose_preprocessing
from tfcovid.experiment.pretrained import find_start
from tfcovid.models.input_contract import read_contract

ASKED = ModelConfig(
    backbone=choices.Backbone.MOBILENET_V2, weights=choices.PublishedWeights.IMAGENET
)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches, and a hub that nobody answers for."""
    monkeypatch.setenv("TFCOVID_CACHE", str(tmp_path / "tfcovid"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path


def find(asked):
    return weights.find_weights(asked.weights, asked.backbone, open_console())


def test_weights_that_have_no_name_are_taken_as_they_are(tmp_path):
    asked = ModelConfig(weights=tmp_path / "x.weights.h5")
    assert find(asked) == tmp_path / "x.weights.h5"
    assert find(ModelConfig()) is None


def test_every_backbone_with_published_weights_says_where_they_are():
    assert {*weights.IMAGENET, *hub_presets.PRESETS} == {
        b for b in choices.Backbone if b.is_published
    }


def test_from_the_hub_once_then_from_the_cache(caches, monkeypatch, capsys):
    state = renamed(network("mobilenet_v2", outputs=1000).state_dict(), mobilenet_timm)
    content = safetensors.torch.save({name: t.contiguous() for name, t in state.items()})
    with fake_hub({"timm/mobilenetv2_100.ra_in1k/model.safetensors": content}) as (endpoint, _):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        path = find(ASKED)
    assert path.parent == caches / "tfcovid" / "weights"
    assert "proven: 260 tensors" in capsys.readouterr().out
    assert read_contract(path).source_sha256 == hashlib.sha256(content).hexdigest()
    assert find(ASKED) == path
    assert not capsys.readouterr().out
    config = Config(model=ASKED)
    preprocessing = choose_preprocessing(config, find_start(config, open_console()))
    assert preprocessing.channels == 3


def test_from_torchvisions_own_download_if_it_is_whole(caches, monkeypatch, capsys):
    folder = caches / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(network("mobilenet_v2").state_dict(), folder / "x.pth")
    digest = hashlib.sha256((folder / "x.pth").read_bytes()).hexdigest()
    name = f"mobilenet_v2-{digest[:8]}.pth"
    published = {"mobilenet_v2": weights.Published("hf://timm/x", name)}
    monkeypatch.setattr(weights, "IMAGENET", published)
    (folder / "x.pth").rename(folder / name)
    path = find(ASKED)
    assert read_contract(path).source_sha256 == digest
    assert f"imagenet from {folder / name}" in capsys.readouterr().out.replace("\n", "")

    path.unlink()
    (folder / name).write_bytes(b"half a download")
    with pytest.raises(ValueError, match=r"--weights=imagenet: hf://timm/x: no network"):
        find(ASKED)


def test_weights_that_no_hub_has_are_said_to_be_put_where_pytorch_has_them(caches):
    asked = dataclasses.replace(ASKED, backbone=choices.Backbone.ALEXNET)
    expected = r"no hub has those of alexnet; put torchvision's https://\S+/alexnet-owt-7be5be79"
    with pytest.raises(ValueError, match=expected) as raised:
        find(asked)
    place = caches / "torch" / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    assert str(raised.value).endswith(str(place))


def test_without_network_it_is_one_clear_line_and_leaves_no_weights(caches):
    with pytest.raises(
        ValueError, match=r"^--weights=imagenet: .*no network.*--weights$"
    ) as raised:
        find(ASKED)
    assert "\n" not in str(raised.value)
    assert "report" not in str(raised.value)
    assert not list((caches / "tfcovid" / "weights").iterdir())
