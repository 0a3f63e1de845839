import keras
import numpy as np
import pytest

from tests.models.torch_parity import copy_weights, random_torch_network, torch_feature_map
from tfcovid.models.backbones import (
    BACKBONES,
    CLASS_TOKEN_NECKS,
    SMALLEST_IMAGE_PX,
    build_backbone,
)

# Trainable and non-trainable parameters without classifier, three input channels. The trainable
# ones are torchvision's published totals less the 1,000-way classifier, e.g. ResNet50
# 25,557,032 - 2,049,000; the others are the batch-norm statistics, two for each channel.
# Transformers at 224 px; that of DeiT-Ti is DeiT's and timm's.
PARAMETER_COUNTS = {
    "resnet18": (11_176_512, 9_600),
    "resnet34": (21_284_672, 17_024),
    "resnet50": (23_508_032, 53_120),
    "resnet101": (42_500_160, 105_344),
    "densenet121": (6_953_856, 83_648),
    "mobilenet_v2": (2_223_872, 34_112),
    "vgg19": (20_024_384, 0),
    "inception_v3": (21_785_568, 34_432),
    "alexnet": (2_469_696, 0),
    "squeezenet": (722_496, 0),
    "cnn19": (2_729_840, 3_776),
    "vit_base16": (86_567_656 - 769_000, 0),
    "vit_tiny16": (5_717_416 - 193_000, 0),
    "tiny": (23_696, 224),
}


def _linear(*layers):
    return {f"{layer}_{kind}" for layer in layers for kind in ("weight", "bias")}


TORCHVISION_CLASSIFIERS = {
    "resnet18": (_linear("fc"), 512),
    "resnet50": (_linear("fc"), 2048),
    "resnet101": (_linear("fc"), 2048),
    "densenet121": (_linear("classifier"), 1024),
    "mobilenet_v2": (_linear("classifier_1"), 1280),
    "vgg19": (_linear("classifier_0", "classifier_3", "classifier_6"), 512),
    "alexnet": (_linear("classifier_1", "classifier_4", "classifier_6"), 256),
    "squeezenet": (_linear("classifier_1"), 512),
    "inception_v3": (
        _linear("fc", "AuxLogits_fc")
        | {
            f"AuxLogits_conv{n}_{name}"
            for n in (0, 1)
            for name in (
                "conv_weight",
                *("bn_weight", "bn_bias", "bn_running_mean", "bn_running_var"),
            )
        },
        2048,
    ),
}
# A transformer takes one size, and its kernels are not He's: tests/models/test_vit.py has it.
CONVOLUTIONAL = [name for name in BACKBONES if name not in CLASS_TOKEN_NECKS]
LARGER_PX = {"inception_v3": 12}  # than the images that the others are tested on
FAN_IN = ("densenet121", "alexnet", "squeezenet")


def _count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_no_backbone_is_missing_from_the_table_of_parameter_counts():
    assert set(PARAMETER_COUNTS) == set(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_parameter_counts_are_exact(name):
    image_size = 224 if name in CLASS_TOKEN_NECKS else None
    backbone = build_backbone(name, image_size=image_size, channels=3)
    counts = _count(backbone.trainable_variables), _count(backbone.non_trainable_variables)
    assert counts == PARAMETER_COUNTS[name]


def test_a_gray_network_has_only_fewer_stem_weights():
    gray = build_backbone("resnet18", image_size=64, channels=1)
    assert _count(gray.trainable_variables) == PARAMETER_COUNTS["resnet18"][0] - 2 * 7 * 7 * 64


@pytest.mark.parametrize("image_size", [64, 75])
@pytest.mark.parametrize("name", TORCHVISION_CLASSIFIERS)
def test_feature_map_equals_torchvision_with_the_same_weights(name, image_size):
    image_size += LARGER_PX.get(name, 0)
    network = random_torch_network(name, seed=1)
    backbone = build_backbone(name, image_size=image_size, channels=3)
    assert copy_weights(network, backbone) == TORCHVISION_CLASSIFIERS[name][0]
    rng = np.random.default_rng(image_size)
    images = rng.normal(size=(2, image_size, image_size, 3)) + rng.normal(size=(2, 1, 1, 3))
    images = images.astype(np.float32)

    expected = torch_feature_map(name, network, images)
    features = keras.ops.convert_to_numpy(backbone(images, training=False))

    assert features.shape == expected.shape
    assert features.shape[-1] == TORCHVISION_CLASSIFIERS[name][1]
    error = np.linalg.norm(features - expected) / np.linalg.norm(expected)
    assert error <= 1e-5
    # The features tell the images apart: else a wrong first layer would pass as well.
    spread = np.linalg.norm(expected - expected.mean(axis=0)) / np.linalg.norm(expected)
    assert spread >= 0.01


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_size_from_the_smallest_to_320_leaves_a_feature_map(name):
    backbone = build_backbone(name, image_size=None, channels=1)
    smallest = SMALLEST_IMAGE_PX.get(name, 1)
    for side in (smallest, smallest + 1, *range(max(smallest, 32), 321, 16), 299, 320):
        assert min(_feature_map_shape(backbone, side)) >= 1, side


@pytest.mark.parametrize("name", SMALLEST_IMAGE_PX)
def test_an_image_too_small_is_refused_and_would_leave_nothing(name):
    smallest = SMALLEST_IMAGE_PX[name]
    expected = rf"^--image_size={smallest - 1}: expected {smallest} or more, because {name} "
    with pytest.raises(ValueError, match=expected):
        build_backbone(name, image_size=smallest - 1, channels=1)
    backbone = build_backbone(name, image_size=None, channels=1)
    try:
        assert min(_feature_map_shape(backbone, smallest - 1)) < 1
    except ValueError as error:
        assert "negative" in str(error).lower()  # Keras refuses some sizes, not all


def _feature_map_shape(backbone, side):
    return backbone.compute_output_shape((1, side, side, 1))[1:3]


def test_any_size_input_gives_what_the_fixed_size_gives():
    fixed = build_backbone("tiny", image_size=40, channels=1)
    free = build_backbone("tiny", image_size=None, channels=1)
    free.set_weights(fixed.get_weights())
    images = np.random.default_rng(2).normal(size=(3, 40, 40, 1)).astype(np.float32)
    np.testing.assert_array_equal(fixed(images), free(images))


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_initial_kernels_are_all_different_and_have_the_he_variance(name):
    keras.utils.set_random_seed(3)
    backbone = build_backbone(name, image_size=None, channels=3)
    kernels = [layer for layer in backbone.layers if hasattr(layer, "kernel")]
    first_values = {float(np.ravel(layer.kernel)[0]) for layer in kernels}
    assert len(first_values) == len(kernels)
    for layer in kernels:
        kernel = np.asarray(layer.kernel)
        height, width, fan_in, fan_out = kernel.shape
        fan = fan_in if name in FAN_IN else fan_out
        if kernel.size > 2_000:
            assert np.var(kernel) == pytest.approx(2 / (height * width * fan), rel=0.2)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_each_residual_block_starts_as_the_identity(name):
    backbone = build_backbone(name, image_size=64, channels=3)
    inner = keras.Model(
        backbone.input,
        [backbone.get_layer("layer1_0_relu").output, backbone.get_layer("layer1_1_relu").output],
    )
    before, after = inner(np.random.default_rng(4).random((2, 64, 64, 3)), training=True)
    np.testing.assert_array_equal(before, after)
    assert np.std(before) > 0


def test_without_zero_init_every_gamma_starts_at_one():
    backbone = BACKBONES["resnet18"](image_size=64, channels=3, zero_init_residual=False)
    gammas = [np.asarray(layer.gamma) for layer in backbone.layers if hasattr(layer, "gamma")]
    assert all(np.all(gamma == 1) for gamma in gammas)


def test_frozen_batch_norm_trains_gamma_and_beta_and_keeps_the_statistics():
    backbone = build_backbone("tiny", image_size=32, channels=1, batch_norm="frozen")
    before = [np.asarray(v) for v in backbone.non_trainable_variables]
    images = np.random.default_rng(5).normal(2, 3, size=(4, 32, 32, 1)).astype(np.float32)
    np.testing.assert_array_equal(backbone(images, training=True), backbone(images, training=False))
    after = [np.asarray(v) for v in backbone.non_trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert {v.name for v in backbone.trainable_variables} == {"kernel", "gamma", "beta"}


def test_an_unknown_backbone_is_refused_with_the_valid_names():
    with pytest.raises(
        ValueError, match=r"'resnet5'; choose one of resnet18, .*mobilenet_v2, .*vit_tiny16, tiny"
    ):
        build_backbone("resnet5", image_size=64, channels=3)


def test_an_unknown_batch_norm_mode_is_refused():
    with pytest.raises(ValueError, match="Received: batch_norm='auto'"):
        build_backbone("tiny", image_size=64, channels=3, batch_norm="auto")
