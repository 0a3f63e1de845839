"""What lies between feature map and head, and the whole classifiers that it makes."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.models.torch_parity import copy_weights, random_torch_network
from tfcovid.models import alexnet, backbones, cnn19, vgg
from tfcovid.models.backbones import (
    BACKBONES,
    CLASS_TOKEN_NECKS,
    DENSE_NECKS,
    SMALLEST_IMAGE_PX,
)
from tfcovid.models.classifier import as_float32, build_classifier
from tfcovid.models.layers import zero_kernels
from tfcovid.models.necks import POOL_LAYER, AdaptiveAverage

# Trainable parameters at 1,000 classes and three channels, as torchvision publishes them; Inception
# v3's 27,161,264 less its auxiliary classifier of 3,326,696; vit_tiny16 as DeiT publishes DeiT-Ti.
# Nobody has published the others.
PUBLISHED_COUNTS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "densenet121": 7_978_856,
    "mobilenet_v2": 3_504_872,
    "vgg19": 143_667_240,
    "inception_v3": 27_161_264 - 3_326_696,
    "alexnet": 61_100_840,
    "squeezenet": 1_235_496,
    "vit_base16": 86_567_656,
    "vit_tiny16": 5_717_416,
}
OWN = {"cnn19", "tiny"}
NEW = ("vgg19", "inception_v3", "alexnet", "squeezenet", "cnn19")


@pytest.fixture
def small_necks(monkeypatch):
    """Dense layers of 24 where there are 4096."""
    for name, module in (("vgg19", vgg), ("alexnet", alexnet)):
        layers = tuple((layer, 24) for layer, _ in module.neck.keywords["dense"])
        monkeypatch.setitem(backbones.DENSE_NECKS, name, partial(module.neck, dense=layers))


def _classifier(name, **kwargs):
    arguments = {"image_size": max(32, SMALLEST_IMAGE_PX.get(name, 1)), "channels": 1}
    return build_classifier(backbone=name, **{"num_outputs": 3, **arguments, **kwargs})


def _images(model, count=2, seed=1):
    rng = np.random.default_rng(seed)
    shape = (count, *model.input_shape[1:])
    return (rng.normal(size=shape) + rng.normal(size=(count, 1, 1, 1))).astype(np.float32)


@pytest.mark.parametrize("name", PUBLISHED_COUNTS)
def test_a_classifier_of_1000_classes_has_the_published_number_of_parameters(name):
    with zero_kernels():
        size = {"image_size": 224} if name in CLASS_TOKEN_NECKS else {}
        model = _classifier(name, num_outputs=1000, channels=3, **size)
    assert (
        sum(v.value.shape.num_elements() for v in model.trainable_variables)
        == (PUBLISHED_COUNTS[name])
    )


def test_every_backbone_is_counted_or_is_our_own():
    assert set(PUBLISHED_COUNTS) | OWN == set(BACKBONES)


def test_cnn19_has_nineteen_layers_with_weights():
    model = _classifier("cnn19")
    layers = [*model.get_layer("backbone").layers, *model.layers]
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    assert sum(isinstance(layer, kinds) for layer in layers) == 19


@pytest.mark.parametrize("name", BACKBONES)
def test_the_head_is_linear_in_what_the_pool_layer_gives(name, small_necks):
    model = _classifier(name)
    features = keras.Model(model.input, model.get_layer(POOL_LAYER).output)(_images(model))
    head = model.get_layer("logits")
    assert features.shape == (2, head.kernel.shape[0])
    expected = np.asarray(features) @ np.asarray(head.kernel) + np.asarray(head.bias)
    np.testing.assert_allclose(model(_images(model)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("map_size", [(1, 1), (2, 3), (7, 7), (9, 10)])
@pytest.mark.parametrize(("name", "torch_name"), [("vgg19", "vgg11"), ("alexnet", "alexnet")])
def test_a_dense_neck_is_torchvisions_pooling_and_dense_layers(name, torch_name, map_size):
    """With fewer channels and units, whatever the size of the map."""
    neck = DENSE_NECKS[name].keywords
    side, channels, units = neck["side"], 5, 11
    linears = {
        layer: torch.nn.Linear(width, units)
        for (layer, _), width in zip(neck["dense"], (channels * side * side, units), strict=True)
    }
    features = keras.Input((*map_size, channels))
    small = DENSE_NECKS[name](features, dense=tuple((layer, units) for layer, _ in neck["dense"]))
    model = keras.Model(features, small)
    maps = np.random.default_rng(3).normal(size=(2, *map_size, channels)).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy(maps.transpose(0, 3, 1, 2))
        x = torch.flatten(torch.nn.functional.adaptive_avg_pool2d(x, side), 1)
        for layer, linear in linears.items():
            x = torch.relu(linear(x))
            kernel = linear.weight.numpy()
            if kernel.shape[1] != units:
                # PyTorch flattens channel by channel, Keras pixel by pixel.
                kernel = kernel.reshape(units, channels, side, side).transpose(0, 2, 3, 1)
            model.get_layer(layer).set_weights([kernel.reshape(units, -1).T, linear.bias.numpy()])
    np.testing.assert_allclose(model(maps), x.numpy(), rtol=1e-4, atol=1e-5)


def test_alexnets_logits_are_torchvisions_with_the_same_weights():
    network = random_torch_network("alexnet", seed=2)
    model = _classifier("alexnet", num_outputs=1000, channels=3, image_size=100)
    copy_weights(network, model.get_layer("backbone"))
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    first = state["classifier.1.weight"].reshape(4096, 256, 6, 6).transpose(2, 3, 1, 0)
    kernels = {
        "classifier_1": ("classifier.1", first.reshape(-1, 4096)),
        "classifier_4": ("classifier.4", state["classifier.4.weight"].T),
        "logits": ("classifier.6", state["classifier.6.weight"].T),
    }
    for layer, (torch_name, kernel) in kernels.items():
        model.get_layer(layer).set_weights([kernel, state[f"{torch_name}.bias"]])
    images = _images(model)
    with torch.no_grad():
        expected = network(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    error = np.linalg.norm(np.asarray(model(images)) - expected) / np.linalg.norm(expected)
    assert error <= 1e-5
    assert np.linalg.norm(expected[0] - expected[1]) > 0.01 * np.linalg.norm(expected)


def test_squeezenets_features_and_head_are_torchvisions_without_its_relu():
    network = random_torch_network("squeezenet", seed=2)
    model = _classifier("squeezenet", num_outputs=1000, channels=3, image_size=75)
    copy_weights(network, model.get_layer("backbone"))
    _, convolution, _, average = network.classifier
    kernel = convolution.weight.detach().numpy()[:, :, 0, 0].T
    model.get_layer("logits").set_weights([kernel, convolution.bias.detach().numpy()])
    images = _images(model)
    with torch.no_grad():
        maps = convolution(network.features(torch.from_numpy(images.transpose(0, 3, 1, 2))))
        expected = average(maps)[:, :, 0, 0].numpy()
    assert (maps < 0).any()
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NEW)
def test_one_step_has_a_finite_loss_and_moves_every_layer(name, small_necks):
    keras.utils.set_random_seed(5)
    model = _classifier(name, image_size=80)
    images, labels = _images(model, 4), np.array([0, 1, 2, 1])
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        loss = tf.reduce_mean(loss)
    assert np.isfinite(loss)
    variables = [v for v in model.trainable_variables if v.name == "kernel"]
    gradients = tape.gradient(loss, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.any(np.asarray(gradient)), variable.path


def test_under_mixed_precision_the_dense_layers_compute_in_half_and_the_pooling_does_not():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = _classifier("cnn19")
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert model.get_layer("backbone").output.dtype == "bfloat16"
    assert model.get_layer("avgpool").output.dtype == "float32"
    assert model.get_layer("fc1").output.dtype == "bfloat16"
    assert model.get_layer(POOL_LAYER).output.dtype == "float32"
    assert model.output.dtype == "float32"
    full = as_float32(model)
    assert full.get_layer("fc1").output.dtype == "float32"
    np.testing.assert_allclose(full(_images(model)), model(_images(model)), atol=0.1)


@pytest.mark.parametrize("name", NEW)
def test_it_saves_in_safe_mode_and_exports_with_the_same_logits(name, small_necks, tmp_path):
    model = _classifier(name)
    images = _images(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images), model(images))
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(images), model(images), rtol=1e-4, atol=1e-5)


def test_the_dropouts_of_cnn19_act_in_training_only():
    model = _classifier("cnn19", batch_norm="frozen")
    images = _images(model)
    assert not np.array_equal(model(images, training=True), model(images))
    assert cnn19.neck.keywords["dropouts"] == (0.5, 0.5)


def test_any_image_size_gives_what_the_fixed_size_gives():
    fixed, free = _classifier("cnn19", image_size=75), _classifier("cnn19", image_size=None)
    free.set_weights(fixed.get_weights())
    images = _images(fixed)
    np.testing.assert_allclose(free(images), fixed(images), rtol=1e-5, atol=1e-6)


@given(height=st.integers(1, 20), width=st.integers(1, 20), side=st.integers(1, 8))
def test_adaptive_average_is_pytorchs_for_every_size(height, width, side):
    maps = np.random.default_rng(height).normal(size=(2, height, width, 3))
    theirs = torch.from_numpy(maps.transpose(0, 3, 1, 2))
    theirs = torch.nn.functional.adaptive_avg_pool2d(theirs, side).numpy()
    ours = AdaptiveAverage(side, dtype="float64")(maps)
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-12)
