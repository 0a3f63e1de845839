"""A network that is wrong in one place does not pass: two entries swapped, a stride, a padding."""

import itertools

import keras
import numpy as np
import pytest

from tests.weights_conversion.conversions import built, passes_inference, saved
from tests.weights_conversion.source_checkpoints import SPELLINGS, network, renamed
from weights_conversion import keras_network

ARCHITECTURES = ("resnet18", "resnet50", "densenet121", "mobilenet_v2")
# Every same-shaped pair would be 30,000 for DenseNet121 alone: `benchmarks.conversion_faults`
# tries as many as one has time for. Here every tensor is in one pair at least.
SEED = 5


@pytest.fixture(scope="module")
def conversions(tmp_path_factory):
    """Architecture -> (plan, converted network)."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        name: built(saved(network(name).state_dict(), folder / f"{name}.pth"))
        for name in ARCHITECTURES
    }


def same_shaped_pairs(values):
    """Returns pairs of variables of one shape: each with the next, in a random order."""
    by_shape = {}
    for name in sorted(values):
        by_shape.setdefault(values[name].shape, []).append(name)
    rng = np.random.default_rng(SEED)
    for names in by_shape.values():
        if len(names) > 1:
            order = rng.permutation(names).tolist()
            yield from itertools.pairwise(order)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_right_network_passes(conversions, architecture):
    plan, converted = conversions[architecture]
    assert passes_inference(plan, converted.model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_swapping_two_same_shaped_entries_fails(conversions, architecture):
    plan, converted = conversions[architecture]
    variables = keras_network.variables_by_name(converted.model)
    pairs = list(same_shaped_pairs(converted.values))
    # Each conversion has at least a hundred; a dozen forward passes are enough here.
    chosen = np.random.default_rng(SEED).permutation(len(pairs))[:12]
    for first, second in (pairs[index] for index in chosen):
        one, other = (keras.ops.convert_to_numpy(variables[n]) for n in (first, second))
        variables[first].assign(other)
        variables[second].assign(one)
        assert not passes_inference(plan, converted.model), (
            first,
            second,
        )
        variables[first].assign(one)
        variables[second].assign(other)


def padded_layers(model):
    """Returns the names of convolutions and poolings that pad explicitly."""
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.ZeroPadding2D)]


def with_config(model, layer_name, change):
    """Returns the model with one layer's configuration changed, the weights as they were."""
    config = model.get_config()
    (layer,) = [entry for entry in config["layers"] if entry["name"] == layer_name]
    change(layer["config"])
    changed = keras.Model.from_config(config)
    changed.set_weights(model.get_weights())
    return changed


def pad_at_the_end_only(config):
    """As Keras' 'same' pads a strided layer: nothing before, one more behind."""
    (top, bottom), (left, right) = config["padding"]
    config["padding"] = ((top - 1, bottom + 1), (left - 1, right + 1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shifting_any_padding_as_keras_same_does_fails(conversions, architecture):
    plan, converted = conversions[architecture]
    layers = padded_layers(converted.model)
    assert len(layers) >= 2
    for layer in layers:
        wrong = with_config(converted.model, layer, pad_at_the_end_only)
        assert not passes_inference(plan, wrong), layer


STEMS = {"densenet121": "features_conv0", "mobilenet_v2": "features_0_0"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_another_stride_fails(conversions, architecture):
    plan, converted = conversions[architecture]

    def stride_of_1(config):
        config["strides"] = (1, 1)

    wrong = with_config(converted.model, STEMS.get(architecture, "conv1"), stride_of_1)
    assert not passes_inference(plan, wrong)


def test_resnet50_v1_which_strides_in_the_first_convolution_fails(conversions):
    plan, converted = conversions["resnet50"]
    model = converted.model
    config = model.get_config()
    for entry in config["layers"]:
        settings = entry["config"]
        if entry["name"] == "layer2_0_conv1":
            settings["strides"] = (2, 2)
        if entry["name"] == "layer2_0_conv2":
            settings["strides"] = (1, 1)
    wrong = keras.Model.from_config(config)
    wrong.set_weights(model.get_weights())
    assert not passes_inference(plan, wrong)


def test_another_spelling_swapped_in_its_table_fails(tmp_path):
    """The source network reads no table, so a wrong row cannot hide in both networks."""
    architecture, rename = SPELLINGS["mobilenet_v2, timm"]
    path = saved(renamed(network(architecture).state_dict(), rename), tmp_path / "x.pth")
    plan, _ = built(path)
    table = plan.recognition.naming.table
    names = ("blocks.2.1.bn1.weight", "blocks.2.1.bn2.weight")
    table[names[0]], table[names[1]] = table[names[1]], table[names[0]]
    try:
        _, wrong = built(path)
        assert not passes_inference(plan, wrong.model)
    finally:
        table[names[0]], table[names[1]] = table[names[1]], table[names[0]]


def test_float64_training_tells_an_epsilon_that_float32_does_not(conversions):
    from weights_conversion.conversion import source_network
    from weights_conversion.proof.training import compare_training

    plan, converted = conversions["resnet18"]
    right = keras_network.double_precision(converted.model, converted.values)
    assert all(c.holds for c in compare_training(source_network(plan), right))

    def keras_applications(config):
        config["epsilon"] = 1.001e-5

    wrong = with_config(converted.model, "layer1_0_bn1", keras_applications)
    assert passes_inference(plan, wrong)
    wrong = keras_network.double_precision(wrong, converted.values)
    assert not all(c.holds for c in compare_training(source_network(plan), wrong))
