"""The source networks compute what torchvision computes, in every naming, on PyTorch and NumPy."""

import numpy as np
import pytest
import torch

from tests.models.torch_parity import torch_feature_map
from tests.weights_conversion.source_checkpoints import SPELLINGS, network, renamed
from weights_conversion.namings import ARCHITECTURES, NAMINGS
from weights_conversion.recognition import recognise
from weights_conversion.reference.numpy_ops import NumpyOps
from weights_conversion.reference.torch_ops import TorchOps

IMAGES = np.random.default_rng(3).normal(size=(2, 76, 87, 3)).astype(np.float32)


NEW = ("vgg19", "inception_v3", "alexnet", "squeezenet")


def source_of(spelling):
    architecture, rename = SPELLINGS[spelling]
    net = network(architecture)
    state = {name: t.numpy() for name, t in renamed(net.state_dict(), rename).items()}
    recognition = recognise(state)
    tensors = {name: state[recognition.prefix + name] for name in recognition.naming.table}
    return architecture, net, recognition.naming, tensors


def test_every_naming_is_tested():
    found = {(source_of(s)[2].architecture, source_of(s)[2].spelling) for s in SPELLINGS}
    known = {(naming.architecture, naming.spelling) for naming in NAMINGS}
    # ResNet34 and 101 in these spellings are 18 and 50 with more blocks.
    assert known - found == {
        (architecture, spelling)
        for architecture in ("resnet34", "resnet101")
        for spelling in ("transformers", "torchvision in a Sequential")
    }
    assert {architecture for architecture, _ in found} == set(ARCHITECTURES)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_source_network_is_torchvisions_and_uses_every_tensor(spelling):
    architecture, net, naming, tensors = source_of(spelling)
    ops = TorchOps(tensors)
    with torch.no_grad():
        *_, (_, result) = naming.network(ops, ops.images(IMAGES))
    expected = torch_feature_map(architecture, net, IMAGES)
    np.testing.assert_allclose(ops.to_numpy(result), expected, rtol=1e-4, atol=1e-4)
    error = np.linalg.norm(ops.to_numpy(result) - expected) / np.linalg.norm(expected)
    assert error <= 1e-6
    assert ops.used == set(tensors)


@pytest.mark.parametrize("spelling", ["resnet18", "resnet50", "densenet121", "mobilenet_v2", *NEW])
def test_numpy_computes_what_pytorch_computes_in_float64(spelling):
    _, _, naming, tensors = source_of(spelling)
    torch_ops, numpy_ops = TorchOps(tensors, dtype=torch.float64), NumpyOps(tensors)
    with torch.no_grad():
        theirs = list(naming.network(torch_ops, torch_ops.images(IMAGES)))
    ours = list(naming.network(numpy_ops, numpy_ops.images(IMAGES)))
    assert [stage for stage, _ in ours] == [stage for stage, _ in theirs]
    for (stage, mine), (_, other) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-8, atol=1e-8, err_msg=stage)
    assert numpy_ops.used == set(tensors)


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda n: f"{n.architecture}, {n.spelling}")
def test_stages_are_named_alike_on_both_sides(naming):
    class Names:
        """Computes nothing: every result has the shape of its input."""

        def __getattr__(self, _):
            return lambda first, *rest, **__: rest[0] if rest else first

    ops = Names()
    ops.concatenate = lambda maps: maps[0]
    image = np.zeros((1, 3, 8, 8), np.float32)
    assert [stage for stage, _ in naming.network(ops, image)] == list(naming.stages)
