import pytest

from tests.weights_conversion.source_checkpoints import (
    HEAD_DROPPED,
    PREFIXES,
    SPELLINGS,
    network,
    renamed,
)
from weights_conversion.accounting import Row, refuse_problems
from weights_conversion.head import choose_head
from weights_conversion.recognition import AUXILIARY, recognise


@pytest.fixture(scope="module")
def names():
    """Spelling -> names and shapes."""
    return {
        spelling: {
            name: tuple(tensor.shape)
            for name, tensor in renamed(network(architecture).state_dict(), rename).items()
        }
        for spelling, (architecture, rename) in SPELLINGS.items()
    }


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_behind_every_prefix_is_recognised_without_a_stray(names, spelling, prefix):
    shapes = {prefix + name: shape for name, shape in names[spelling].items()}
    found = recognise(shapes)
    assert found.naming.architecture == SPELLINGS[spelling][0]
    assert found.misfit == 0
    batch_norms = [name for name in found.present if name.endswith("running_mean")]
    assert len(found.counters) == len(batch_norms)
    if found.naming.architecture in HEAD_DROPPED:
        assert {name.removeprefix(prefix).split(".")[0] for name in found.head} == {"classifier"}
        assert choose_head(found, shapes, wish="drop") is None
        with pytest.raises(ValueError, match="--head=drop leaves"):
            choose_head(found, shapes, wish=None)
    else:
        assert len(found.head) == 2
        assert choose_head(found, shapes, wish="keep").num_outputs == 14


def test_the_auxiliary_classifier_of_inception_is_noted_and_left_out(names):
    found = recognise(names["inception_v3"])
    assert set(found.notes.values()) == {AUXILIARY}
    assert {name.split(".")[0] for name in found.notes} == {"AuxLogits"}


def test_a_single_linear_head_of_a_network_with_dense_layers_is_refused(names):
    shapes = {n: s for n, s in names["vgg19"].items() if not n.startswith("classifier.")}
    shapes |= {"classifier.weight": (3, 512), "classifier.bias": (3,)}
    with pytest.raises(ValueError, match="head of vgg19 stands behind dense layers"):
        choose_head(recognise(shapes), shapes, wish="keep")


def test_other_networks_of_the_same_anchor_are_not_taken_for_one_another(names):
    for name in ("vgg19", "alexnet", "squeezenet"):
        assert recognise(names[name]).naming.architecture == name
    vgg16 = [f"features.{n}.weight" for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    with pytest.raises(ValueError, match="the nearest is vgg19"):
        recognise([*vgg16, *(name.replace("weight", "bias") for name in vgg16)])


def test_the_head_of_a_wrapper_is_found_outside_of_the_backbone(names):
    shapes = {
        f"module.backbone.{name}": shape
        for name, shape in names["resnet18"].items()
        if not name.startswith("fc.")
    }
    shapes |= {"module.fc.weight": (3, 512), "module.fc.bias": (3,)}
    found = recognise(shapes)
    assert found.misfit == 0
    assert choose_head(found, shapes, wish=None).name == "module.fc"


@pytest.mark.parametrize("wish", [None, "drop"])
def test_no_head_is_no_mistake_unless_one_is_to_be_kept(names, wish):
    shapes = {n: shape for n, shape in names["resnet18"].items() if not n.startswith("fc.")}
    assert choose_head(recognise(shapes), shapes, wish=wish) is None
    with pytest.raises(ValueError, match="--head=keep, but it has no head"):
        choose_head(recognise(shapes), shapes, wish="keep")


@pytest.mark.parametrize(
    "head",
    [
        {"fc.0.weight": (64, 512), "fc.0.bias": (64,), "fc.2.weight": (3, 64), "fc.2.bias": (3,)},
        {"fc.weight": (3, 512, 1, 1), "fc.bias": (3,)},
        {"fc.running_mean": (3,)},
    ],
)
def test_a_head_that_is_not_one_linear_layer_is_dropped_or_refused(names, head):
    shapes = {n: s for n, s in names["resnet18"].items() if not n.startswith("fc.")} | head
    found = recognise(shapes)
    assert set(found.head) == set(head)
    assert choose_head(found, shapes, wish="drop") is None
    with pytest.raises(ValueError, match=r"--head=drop leaves"):
        choose_head(found, shapes, wish=None)


def test_a_head_without_its_bias_is_refused_by_name(names):
    shapes = {n: s for n, s in names["resnet18"].items() if n != "fc.bias"}
    with pytest.raises(ValueError, match=r"has fc\.weight but no fc\.bias"):
        choose_head(recognise(shapes), shapes, wish=None)


def test_resnet34_is_not_taken_for_the_resnet18_that_is_in_it(names):
    assert recognise(names["resnet34"]).naming.architecture == "resnet34"
    assert recognise(names["resnet101"]).naming.architecture == "resnet101"


def test_a_network_we_do_not_know_is_refused_with_the_nearest(names):
    shapes = dict(names["densenet121"])
    shapes |= {f"features.denseblock3.denselayer{n}.norm1.weight": (3,) for n in range(25, 225)}
    with pytest.raises(ValueError, match=r"the nearest is densenet121, of whose 604 .* with 200"):
        recognise(shapes)


def test_names_of_nothing_we_know_are_refused_with_some_of_them():
    with pytest.raises(ValueError, match=r"2 tensors: encoder\.weight, encoder\.bias"):
        recognise(["encoder.weight", "encoder.bias"])


@pytest.mark.parametrize("spelling", ["mobilenet_v2", "vgg19", "densenet121"])
@pytest.mark.parametrize("architecture", ["resnet50", "inception_v3"])
def test_a_checkpoint_held_to_another_architecture_is_told_what_it_looks_like(
    names, spelling, architecture
):
    looks = f"it looks like {spelling}: use --architecture=auto, or ={spelling}"
    try:
        found = recognise(names[spelling], architecture=architecture)
    except ValueError as error:
        assert str(error).endswith(looks)
        return
    row = Row("a.weight", (3,), "float32", "", None, "that nothing accounts for", is_problem=True)
    with pytest.raises(
        ValueError, match=rf"does not fit {architecture} .* \(1 problems\); {looks}$"
    ):
        refuse_problems([row], found)


def test_a_named_architecture_is_held_to():
    with pytest.raises(ValueError, match="expected the tensors of densenet121, found none"):
        recognise(["conv1.weight"], architecture="densenet121")
    assert len(recognise(["conv1.weight"], architecture="resnet18").missing) == 99
