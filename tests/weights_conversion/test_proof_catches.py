"""A network that is wrong in one place does not pass: two entries swapped, a stride, a padding."""

import pytest

from tests.weights_conversion import faults
from tests.weights_conversion.conversions import built, passes_inference, saved
from tests.weights_conversion.source_checkpoints import HEAD_DROPPED, SPELLINGS, network, renamed
from weights_conversion import keras_network

ARCHITECTURES = (
    *("resnet18", "resnet50", "densenet121", "mobilenet_v2"),
    *("inception_v3", "alexnet", "squeezenet"),
)
PAIRS = 12  # of thousands: `benchmarks.conversion_faults` tries as many as one has time for


@pytest.fixture(scope="module")
def conversions(tmp_path_factory):
    """Architecture -> (plan, converted network)."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        name: built(
            saved(network(name).state_dict(), folder / f"{name}.pth"),
            head="drop" if name in HEAD_DROPPED else None,
        )
        for name in ARCHITECTURES
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_right_network_passes(conversions, architecture):
    plan, converted = conversions[architecture]
    assert passes_inference(plan, converted.model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_swapping_two_same_shaped_entries_fails(conversions, architecture):
    plan, converted = conversions[architecture]
    pairs, _ = faults.same_shaped_pairs(converted.values, PAIRS)
    for pair in pairs:
        faults.swap(converted.model, *pair)
        assert not passes_inference(plan, converted.model), pair
        faults.swap(converted.model, *pair)
    assert passes_inference(plan, converted.model)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "squeezenet"])
def test_shifting_any_padding_as_keras_same_does_fails(conversions, architecture):
    plan, converted = conversions[architecture]
    changes = [c for c in faults.changed_layers(converted.model) if c[1] is faults.shift_padding]
    assert len(changes) >= (1 if architecture == "alexnet" else 2)
    for change in changes:
        assert not passes_inference(plan, faults.with_change(converted.model, change)), change


STRIDES_CHANGED = {
    "densenet121": "features_conv0",
    "mobilenet_v2": "features_0_0",
    "inception_v3": "Conv2d_1a_3x3_conv",
    "alexnet": "features_3",
    "squeezenet": "features_0",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_another_stride_fails(conversions, architecture):
    plan, converted = conversions[architecture]
    stem = STRIDES_CHANGED.get(architecture, "conv1")
    wrong = faults.with_change(converted.model, (stem, faults.change_stride))
    assert not passes_inference(plan, wrong)


def test_resnet50_v1_which_strides_in_the_first_convolution_fails(conversions):
    plan, converted = conversions["resnet50"]
    moved = [("layer2_0_conv1", faults.change_stride), ("layer2_0_conv2", faults.change_stride)]
    assert not passes_inference(plan, faults.with_change(converted.model, *moved))


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


@pytest.mark.parametrize("architecture", ["inception_v3", "alexnet", "squeezenet"])
def test_one_training_step_is_compared_to_the_last_norm_or_bias(conversions, architecture):
    from weights_conversion.conversion import source_network
    from weights_conversion.proof.training import compare_training

    plan, converted = conversions[architecture]
    double = keras_network.double_precision(converted.model, converted.values)
    comparisons = list(compare_training(source_network(plan), double))
    assert all(comparison.holds for comparison in comparisons)
    gradients = {c.stage for c in comparisons if c.mode.startswith("gradients")}
    vectors = {name for name in plan.recognition.naming.table if name.endswith(".bias")}
    assert {f"{layer}.bias" for layer in gradients} == vectors


def test_float64_training_tells_an_epsilon_that_float32_does_not(conversions):
    from weights_conversion.conversion import source_network
    from weights_conversion.proof.training import compare_training

    plan, converted = conversions["resnet18"]
    right = keras_network.double_precision(converted.model, converted.values)
    assert all(c.holds for c in compare_training(source_network(plan), right))

    def keras_applications(config):
        config["epsilon"] = 1.001e-5

    wrong = faults.with_change(converted.model, ("layer1_0_bn1", keras_applications))
    assert passes_inference(plan, wrong)
    wrong = keras_network.double_precision(wrong, converted.values)
    assert not all(c.holds for c in compare_training(source_network(plan), wrong))
