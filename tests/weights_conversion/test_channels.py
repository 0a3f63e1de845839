"""One channel from three and three from one: the same feature maps for gray images."""

import json

import keras
import numpy as np
import pytest
import torch

from tests.weights_conversion.conversions import convert_here, saved
from tests.weights_conversion.source_checkpoints import network, with_prefix
from tfcovid.models.input_contract import read_contract
from tfcovid.models.weights_file import load_classifier
from weights_conversion.channels import adapt_input, adapt_kernel
from weights_conversion.expected_input import XRAYVISION_CLASSES, ExpectedInput

GRAY = np.random.default_rng(6).normal(size=(2, 64, 96, 1)).astype(np.float32)


def torch_logits(net, images):
    with torch.no_grad():
        return net(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()


def keras_logits(path, images):
    model, _ = load_classifier(path)
    return keras.ops.convert_to_numpy(model(images, training=False))


def relative(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.fixture(scope="module")
def xrayvision(tmp_path_factory):
    """torchxrayvision's ResNet50 (a wrapper, one channel, 18 outputs, thresholds beside)."""
    net = network("resnet18", outputs=18, channels=1)
    state = with_prefix(net.state_dict(), "model.") | {"op_threshs": torch.full((18,), 0.1)}
    return net, saved(state, tmp_path_factory.mktemp("xrv") / "xrv.pt")


@pytest.mark.parametrize("channels", [None, 3])
def test_a_gray_network_gives_the_same_logits_in_one_channel_or_three(
    xrayvision, channels, tmp_path
):
    net, checkpoint = xrayvision
    output = tmp_path / "x.weights.h5"
    convert_here(checkpoint, output, channels=channels)
    contract = read_contract(output)
    count = channels or 1
    assert (contract.channels, contract.mean, contract.std) == (
        count,
        (0.0,) * count,
        (1.0,) * count,
    )
    images = np.repeat(GRAY, count, axis=-1)
    assert relative(keras_logits(output, images), torch_logits(net, GRAY)) <= 1e-5


def test_torchxrayvision_is_known_by_its_channel_and_outputs(xrayvision, tmp_path):
    _, checkpoint = xrayvision
    output = tmp_path / "x.weights.h5"
    shown = convert_here(checkpoint, output)
    contract = read_contract(output)
    assert (contract.low, contract.high) == (-1024.0, 1024.0)
    assert contract.class_names == XRAYVISION_CLASSES
    assert contract.head_outputs == 18
    assert "torchxrayvision's, by one input channel" in shown
    rows = json.loads((tmp_path / "x.report.json").read_text())["tensors"]
    (thresholds,) = [row for row in rows if row["tensor"] == "op_threshs"]
    assert "operating thresholds" in thresholds["outcome"]


@pytest.mark.parametrize("architecture", ["densenet121", "mobilenet_v2"])
def test_a_colour_network_summed_to_one_channel_gives_what_it_gives_for_gray(
    architecture, tmp_path
):
    net = network(architecture)
    output = tmp_path / "x.weights.h5"
    shown = convert_here(saved(net.state_dict(), tmp_path / "x.pth"), output, channels=1)
    expected = torch_logits(net, np.repeat(GRAY, 3, axis=-1))
    assert relative(keras_logits(output, GRAY), expected) <= 1e-5
    assert "channels: 1 instead of 3" in shown
    # ImageNet's mean and std differ by channel: that cannot be kept, and is said with its size.
    assert "the averages of the channels" in shown
    assert read_contract(output).mean == (pytest.approx(0.449),)


def test_a_kernel_is_summed_and_spread_exactly():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 5))
    gray = adapt_kernel(kernel, 1)
    np.testing.assert_allclose(gray[:, :, 0], kernel.sum(axis=2), rtol=1e-15)
    np.testing.assert_allclose(adapt_kernel(gray, 3).sum(axis=2), gray[:, :, 0], rtol=1e-15)
    np.testing.assert_array_equal(adapt_kernel(kernel, 3), kernel)


def test_an_input_with_one_mean_for_all_channels_keeps_it():
    three = ExpectedInput(3, -1.0, 1.0, (0.5,) * 3, (0.25,) * 3, 224, (), "")
    one = adapt_input(three, 1)
    assert (one.channels, one.mean, one.std) == (1, (0.5,), (0.25,))
    assert adapt_input(one, 3) == three
