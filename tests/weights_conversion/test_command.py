"""The command as a user types it, and what lies there afterwards."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import ROOT, run_entry
from tests.weights_conversion.conversions import convert_here, saved
from tests.weights_conversion.source_checkpoints import densenet_2017, network, renamed, with_prefix
from tfcovid.models.backbones import build_backbone
from tfcovid.models.input_contract import read_contract
from tfcovid.models.weights_file import load_backbone_weights, load_classifier
from weights_conversion.expected_input import CHEXNET_CLASSES

IMAGES = np.random.default_rng(2).normal(size=(2, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def chexnet():
    """CheXNet as its repositories have it: DataParallel, 2017's names, a head with a sigmoid."""
    net = network("densenet121")
    state = with_prefix(renamed(net.state_dict(), densenet_2017), "module.densenet121.")
    return net, {"epoch": 3, "arch": "densenet121", "state_dict": state}


def test_chexnet_comes_through_with_its_head_and_its_contract(chexnet, tmp_path):
    net, checkpoint = chexnet
    path = tmp_path / "model.pth.tar"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    output = tmp_path / "chexnet.weights.h5"
    done = run_entry(
        "weights_conversion",
        f"--checkpoint={path}",
        f"--output={output}",
        "--class_names=chestxray14",
    )
    assert not done.stderr
    assert "densenet121 in the naming of torchvision of 2017, CheXNet behind" in done.stdout
    assert "module.densenet121.classifier.0, 14 outputs, kept (Atelectasis, " in done.stdout
    assert {p.name for p in tmp_path.iterdir()} - {path.name} == {
        "chexnet.weights.h5",
        "chexnet.contract.json",
        "chexnet.report.html",
        "chexnet.report.json",
    }
    model, contract = load_classifier(output, image_size=64)
    assert contract.class_names == CHEXNET_CLASSES
    assert contract.proof["partial"] == ""
    assert contract.proof["largest_relative_difference"]["inference"] <= 1e-5
    assert contract.proof["largest_relative_difference"]["gradients"] <= 1e-9
    with torch.no_grad():
        expected = net(torch.from_numpy(IMAGES.transpose(0, 3, 1, 2))).numpy()
    logits = keras.ops.convert_to_numpy(model(IMAGES, training=False))
    assert np.linalg.norm(logits - expected) / np.linalg.norm(expected) <= 1e-5

    report = json.loads((tmp_path / "chexnet.report.json").read_text())
    assert report["refused"] is None
    assert report["counts"]["converted"] == 606
    assert report["counts"]["counter of batches, which Keras does not keep"] == 121
    assert len(report["tensors"]) == len(checkpoint["state_dict"])
    assert all(comparison["holds"] for comparison in report["proof"]["comparisons"])


def test_a_backbone_is_loaded_from_a_file_with_a_head_and_the_head_dropped_when_asked(tmp_path):
    checkpoint = saved(network("mobilenet_v2").state_dict(), tmp_path / "x.pth")
    shown = convert_here(checkpoint, tmp_path / "kept.weights.h5")
    assert "classifier.1, 14 outputs, kept" in shown
    shown = convert_here(checkpoint, tmp_path / "dropped.weights.h5", head="drop")
    assert "dropped as asked for (classifier.1.weight, classifier.1.bias)" in shown
    backbones = []
    for name, outputs in (("kept", 14), ("dropped", 0)):
        path = tmp_path / f"{name}.weights.h5"
        assert read_contract(path).head_outputs == outputs
        backbone = build_backbone("mobilenet_v2", image_size=64, channels=3)
        load_backbone_weights(backbone, path)
        backbones.append(backbone)
    for kept, dropped in zip(*(b.get_weights() for b in backbones), strict=True):
        np.testing.assert_array_equal(kept, dropped)
    with pytest.raises(ValueError, match="holds no head: expected one converted with --head=keep"):
        load_classifier(tmp_path / "dropped.weights.h5")


def test_keras_own_load_weights_reads_the_backbone_of_a_file_with_a_head(tmp_path):
    checkpoint = saved(network("mobilenet_v2").state_dict(), tmp_path / "x.pth")
    convert_here(checkpoint, tmp_path / "x.weights.h5")
    by_keras, by_us = (build_backbone("mobilenet_v2", image_size=64, channels=3) for _ in "12")
    by_keras.load_weights(tmp_path / "x.weights.h5")
    load_backbone_weights(by_us, tmp_path / "x.weights.h5")
    for one, other in zip(by_keras.get_weights(), by_us.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--checkpoint: expected a file or hf://owner/name, found nothing"),
        (["--checkpoint=x.pth"], "--output: expected a name like X.weights.h5, found nothing"),
        (["--checkpoint=x.pth", "--output=x.h5"], "expected a name like X.weights.h5"),
        (["--checkpoint=x.pth", "--output=no/such/x.weights.h5"], "does not exist; make it"),
        (["--checkpoint=x", "--output=x.weights.h5", "--epochs=3"], "--epochs: weights_conversion"),
        (["--checkpoint=x", "--output=x.weights.h5", "--mean=a"], "--mean=a: expected numbers"),
        (["--checkpoint=x", "--output=x.weights.h5", "--std=nan"], "--std=nan: expected numbers"),
        (["--checkpoint=x", "--output=x.weights.h5", "--pixel_range=1"], "expected two numbers"),
        (["x.pth"], "unexpected argument 'x.pth'"),
        (["--head=replace"], "--head=replace"),
        (["--architecture=vgg16"], "vgg16"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_ends_at_once_with_one_line(arguments, expected):
    done = run_entry("weights_conversion", *arguments, check=False)
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_output_that_exists_is_not_overwritten(tmp_path):
    output = tmp_path / "x.weights.h5"
    output.write_bytes(b"somebody's weights")
    checkpoint = saved(network("mobilenet_v2").state_dict(), tmp_path / "x.pth")
    done = run_entry(
        "weights_conversion", f"--checkpoint={checkpoint}", f"--output={output}", check=False
    )
    assert "exists already: remove it, or choose another name" in done.stderr
    assert output.read_bytes() == b"somebody's weights"


def test_an_architecture_that_it_is_not_lists_what_does_not_fit(tmp_path):
    checkpoint = saved(network("resnet18").state_dict(), tmp_path / "x.pth")
    fit = (
        r"does not fit resnet34 tensor for tensor \(\d+ problems\); it looks like resnet18: use --"
    )
    with pytest.raises(ValueError, match=fit):
        convert_here(checkpoint, tmp_path / "x.weights.h5", architecture="resnet34")
    rows = json.loads((tmp_path / "x.report.json").read_text())["tensors"]
    missing = {row["tensor"] for row in rows if row["outcome"] == "missing"}
    assert "layer1.2.conv1.weight" in missing and len(missing) == 182 - 102 + 2 - 2


def test_a_stray_tensor_is_left_out_where_that_is_asked_for(tmp_path):
    state = with_prefix(network("mobilenet_v2").state_dict(), "model.")
    checkpoint = saved(state | {"criterion.pos_weight": torch.ones(14)}, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match=r"1 that nothing accounts for .*; --leave_out=NAME"):
        convert_here(checkpoint, tmp_path / "x.weights.h5")
    shown = convert_here(checkpoint, tmp_path / "x.weights.h5", leave_out=("criterion",))
    assert "left out as asked for: criterion.pos_weight" in shown
    rows = json.loads((tmp_path / "x.report.json").read_text())["tensors"]
    (row,) = [row for row in rows if row["tensor"] == "criterion.pos_weight"]
    assert row["outcome"] == "left out as asked for"

    for name, expected in (
        ("criterio", "--leave_out=criterio: it has no tensor of that name"),
        ("model.features.18", r"does not fit mobilenet_v2 .*; 5 missing \(model\.features\.18"),
    ):
        with pytest.raises(ValueError, match=expected):
            convert_here(checkpoint, tmp_path / "y.weights.h5", leave_out=(name,))


@pytest.mark.parametrize("order", [("model", "ema"), ("ema", "model")])
def test_of_two_networks_in_a_file_the_one_that_is_not_left_out_is_converted(tmp_path, order):
    nets = {name: network("mobilenet_v2", seed=seed) for seed, name in enumerate(order)}
    state = {}
    for name, net in nets.items():
        state |= with_prefix(net.state_dict(), f"{name}.")
    checkpoint = saved(state, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"more than once \(ema\., model\.\); --leave_out=ema"):
        convert_here(checkpoint, tmp_path / "x.weights.h5")
    shown = convert_here(checkpoint, tmp_path / "x.weights.h5", leave_out=("ema",))
    assert "behind 'model.'" in shown
    model, _ = load_classifier(tmp_path / "x.weights.h5", image_size=64)
    with torch.no_grad():
        expected = nets["model"](torch.from_numpy(IMAGES.transpose(0, 3, 1, 2))).numpy()
    logits = keras.ops.convert_to_numpy(model(IMAGES, training=False))
    assert np.linalg.norm(logits - expected) / np.linalg.norm(expected) <= 1e-5


def test_names_in_a_checkpoint_cannot_inject_into_the_report(tmp_path):
    state = network("mobilenet_v2").state_dict()
    state["<script>alert(1)</script>"] = torch.ones(1)
    with pytest.raises(ValueError, match="nothing accounts for"):
        convert_here(saved(state, tmp_path / "<b>x.pth"), tmp_path / "x.weights.h5")
    page = (tmp_path / "x.report.html").read_text()
    assert "<script" not in page and "<b>x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


WITHOUT_PYTORCH = """
import runpy, sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled())
sys.argv[0] = "weights_conversion"
runpy.run_module("weights_conversion", run_name="__main__", alter_sys=True)
"""


def convert_without_pytorch(checkpoint, output):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PYTORCH, f"--checkpoint={checkpoint}", f"--output={output}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_pytorch_the_proof_is_partial_and_says_so(tmp_path):
    state = {n: t.contiguous() for n, t in network("mobilenet_v2").state_dict().items()}
    save_file(state, tmp_path / "x.safetensors")
    done = convert_without_pytorch(tmp_path / "x.safetensors", tmp_path / "x.weights.h5")
    assert done.returncode == 0, done.stderr
    assert "PARTIAL PROOF: PyTorch is not installed" in done.stdout
    contract = read_contract(tmp_path / "x.weights.h5")
    assert "training was not" in contract.proof["partial"]
    assert set(contract.proof["largest_relative_difference"]) == {"inference"}
    assert contract.proof["largest_relative_difference"]["inference"] <= 1e-5
    assert "The proof is partial" in (tmp_path / "x.report.html").read_text()


def test_without_pytorch_its_own_files_are_refused_with_what_to_install(tmp_path):
    checkpoint = saved(network("mobilenet_v2").state_dict(), tmp_path / "x.pth")
    done = convert_without_pytorch(checkpoint, tmp_path / "x.weights.h5")
    assert done.returncode == 1
    assert "pip install -r requirements-conversion.txt" in done.stderr
    assert done.stderr.count("\n") == 1
