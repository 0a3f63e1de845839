"""Checkpoints in every spelling, prefix, container and file format come through equal."""

import argparse
import io
import pickle
import struct

import keras
import numpy as np
import pytest
import safetensors.torch
import torch

from tests.models.torch_parity import torch_feature_map
from tests.weights_conversion.conversions import built, passes_inference, saved
from tests.weights_conversion.source_checkpoints import (
    CONTAINERS,
    HEAD_DROPPED,
    PREFIXES,
    SPELLINGS,
    network,
    renamed,
    with_prefix,
    without_counters,
)

LIMIT = 1e-5


@pytest.fixture(scope="module")
def resnet18():
    return network("resnet18")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_converts_equal_behind_a_stack_of_prefixes(spelling, tmp_path):
    architecture, rename = SPELLINGS[spelling]
    net = network(architecture)
    state = with_prefix(renamed(net.state_dict(), rename), "module.model.")
    dropped = architecture in HEAD_DROPPED
    wishes = {"head": "drop"} if dropped else {}
    plan, converted = built(saved({"state_dict": state}, tmp_path / "x.pth.tar"), **wishes)
    assert plan.recognition.prefix.startswith("module.model.")
    assert passes_inference(plan, converted.model)
    # And against torchvision itself, head included where there is one.
    images = np.random.default_rng(0).normal(size=(2, 76, 96, 3)).astype(np.float32)
    result = keras.ops.convert_to_numpy(converted.model(images)[-1])
    if dropped:
        expected = torch_feature_map(architecture, net, images)
    else:
        with torch.no_grad():
            expected = net(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    assert np.linalg.norm(result - expected) / np.linalg.norm(expected) <= LIMIT


def write_zip(state, path):
    torch.save(state, path)


def write_legacy(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


def write_safetensors(state, path):
    safetensors.torch.save_file({name: t.contiguous() for name, t in state.items()}, path)


@pytest.mark.parametrize(
    ("write", "ending", "file_format"),
    [
        (write_zip, ".pth", "PyTorch"),
        (write_zip, ".pth.tar", "PyTorch"),
        (write_legacy, ".pth.tar", "PyTorch, before 1.6"),
        (write_legacy, ".pkl", "PyTorch, before 1.6"),
        (write_safetensors, ".safetensors", "safetensors"),
    ],
)
def test_every_file_format_gives_the_same_tensors(resnet18, write, ending, file_format, tmp_path):
    state = without_counters(resnet18.state_dict())
    path = tmp_path / f"x{ending}"
    write(state, path)
    plan, _ = built(path)
    content = plan.checkpoint.content
    assert content.file_format == file_format
    assert set(content.tensors) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(content.tensors[name], tensor.numpy())


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_and_prefix_gives_the_same_variables(resnet18, container, prefix, tmp_path):
    state = with_prefix(resnet18.state_dict(), prefix)
    path = saved(CONTAINERS[container](state), tmp_path / "x.pt")
    plan, converted = built(path)
    assert plan.recognition.prefix == prefix
    assert plan.head.name == f"{prefix}fc"
    kernel = converted.values["layer2_0_conv1/kernel"]
    expected = resnet18.layer2[0].conv1.weight.detach().numpy()
    np.testing.assert_array_equal(kernel, expected.transpose(2, 3, 1, 0))


def test_what_stands_beside_the_state_dict_is_said(resnet18, tmp_path):
    state = CONTAINERS["state_dict"](resnet18.state_dict())
    plan, _ = built(saved(state, tmp_path / "x.pt"))
    assert plan.checkpoint.content.container == "state_dict"
    assert plan.checkpoint.content.beside == ("epoch", "arch", "best")


def test_arguments_and_numpy_scalars_beside_the_tensors_are_no_obstacle(resnet18, tmp_path):
    beside = {"args": argparse.Namespace(lr=0.1), "best_loss": np.float64(0.2), "n": np.int64(3)}
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.pth"
        torch.save(
            {"state_dict": resnet18.state_dict(), **beside},
            path,
            _use_new_zipfile_serialization=zipped,
        )
        plan, _ = built(path)
        assert set(plan.checkpoint.content.beside) == set(beside)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("write", [write_zip, write_safetensors])
def test_other_precisions_convert_to_what_they_hold(resnet18, dtype, write, tmp_path):
    state = {
        name: t.to(dtype) if t.is_floating_point() else t
        for name, t in resnet18.state_dict().items()
    }
    path = tmp_path / "x.pth"
    write(state, path)
    plan, converted = built(path)
    variable = converted.model.get_layer("layer4_1_conv2").kernel
    expected = state["layer4.1.conv2.weight"].float().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), expected)
    assert passes_inference(plan, converted.model)


def test_a_state_dict_of_python_2_is_read(resnet18, tmp_path):
    """PyTorch 0.3 under Python 2.7 wrote names as byte strings (opcode SHORT_BINSTRING)."""
    state = {"fc.bias": resnet18.fc.bias.detach(), **resnet18.state_dict()}
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    modern = stream.getvalue()
    name = b"layer1.0.conv1.weight"
    unicode_name = pickle.BINUNICODE + struct.pack("<I", len(name)) + name
    assert unicode_name in modern
    old = modern.replace(unicode_name, pickle.SHORT_BINSTRING + bytes([len(name)]) + name)
    path = tmp_path / "x.pth.tar"
    path.write_bytes(old)
    plan, _ = built(path)
    assert plan.recognition.misfit == 0
