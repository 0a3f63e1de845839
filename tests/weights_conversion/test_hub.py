"""Checkpoints from a hub, which stands on this machine; the real one was not tried."""

import json
import os
import subprocess
import sys

import pytest
import safetensors.torch

from tests.conftest import ROOT
from tests.weights_conversion.fake_hub import COMMIT, fake_hub
from tests.weights_conversion.source_checkpoints import mobilenet_timm, network, renamed
from tfcovid.models.input_contract import read_contract
from weights_conversion.reading.hub import Address, parse_address

REPOSITORY = "timm/mobilenetv2_100.ra_in1k"
CONFIG = {
    "architecture": "mobilenetv2_100",
    "pretrained_cfg": {"input_size": [3, 192, 192], "mean": [0.5] * 3, "std": [0.5] * 3},
}


@pytest.fixture(scope="module")
def files():
    state = renamed(network("mobilenet_v2", outputs=1000).state_dict(), mobilenet_timm)
    weights = safetensors.torch.save({name: t.contiguous() for name, t in state.items()})
    return {
        f"{REPOSITORY}/model.safetensors": weights,
        f"{REPOSITORY}/config.json": json.dumps(CONFIG).encode(),
        "owner/without_weights/README.md": b"nothing here",
    }


def environment(endpoint, home):
    """Returns the environment of a process that knows only this hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    proxies = {name for name in kept if name.lower().endswith("_proxy")}
    kept = {name: value for name, value in kept.items() if name not in proxies}
    return {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}


def convert(address, output, endpoint, home):
    return subprocess.run(
        (
            *(sys.executable, "-m", "weights_conversion"),
            f"--checkpoint={address}",
            f"--output={output}",
        ),
        cwd=ROOT,
        env=environment(endpoint, home),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_repository_is_converted_with_its_settings_and_again_without_a_network(files, tmp_path):
    with fake_hub(files) as (endpoint, asked):
        done = convert(f"hf://{REPOSITORY}", tmp_path / "a.weights.h5", endpoint, tmp_path / "hf")
        assert done.returncode == 0, done.stderr
        assert f"/{REPOSITORY}/resolve/main/model.safetensors" in asked
    contract = read_contract(tmp_path / "a.weights.h5")
    assert (contract.mean, contract.std, contract.image_size) == ((0.5,) * 3, (0.5,) * 3, 192)
    # The server is gone: the hub's own cache has it.
    done = convert(f"hf://{REPOSITORY}", tmp_path / "b.weights.h5", endpoint, tmp_path / "hf")
    assert done.returncode == 0, done.stderr
    assert read_contract(tmp_path / "b.weights.h5").source_sha256 == contract.source_sha256


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("hf://timm/no_such_network", "the hub has no such repository or revision"),
        (f"hf://{REPOSITORY}@no_such_branch", "the hub has no such repository or revision"),
        (f"hf://{REPOSITORY}/other.bin", "the repository has no other.bin"),
        ("hf://owner/without_weights", "has no model.safetensors or pytorch_model.bin"),
        ("hf://timm", "expected hf://owner/name"),
    ],
)
def test_what_the_hub_does_not_have_is_one_clear_line(files, tmp_path, address, expected):
    with fake_hub(files) as (endpoint, _):
        done = convert(address, tmp_path / "x.weights.h5", endpoint, tmp_path / "hf")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {address}: ") and done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert not (tmp_path / "x.weights.h5").exists()


def test_no_network_is_one_clear_line(tmp_path):
    nobody = "http://127.0.0.1:9"
    done = convert(f"hf://{REPOSITORY}", tmp_path / "x.weights.h5", nobody, tmp_path / "hf")
    assert done.returncode == 1
    assert "no network, or the hub does not answer" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://timm/a.b", Address("timm/a.b", None, None)),
        ("hf://o/n@v1/sub/x.bin", Address("o/n", "v1", "sub/x.bin")),
        (f"hf://o/n@{COMMIT}", Address("o/n", COMMIT, None)),
    ],
)
def test_an_address_names_repository_revision_and_file(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["hf://", "hf://o", "hf://o/", "hf:///n", "hf://o/@v", "hf://o/n@"]
)
def test_half_an_address_is_refused(text):
    with pytest.raises(ValueError, match="expected hf://owner/name"):
        parse_address(text)
