import keras
import numpy as np
import pytest

from tests.models.classifiers import gray, images, randomised, tiny
from tfcovid.explain.class_activation import feature_maps, has_heat_maps
from tfcovid.models.batch_norm import BatchNormalization
from tfcovid.models.classifier import build_classifier, in_precision
from tfcovid.models.ensemble import MeanProbability, build_ensemble
from tfcovid.models.folding import ChannelBias, folded
from tfcovid.models.layers import convolution, depthwise_convolution, normalize, relu

# What each backbone has that can be folded, and what it keeps.
EXPECTED = {
    "resnet18": (20, 0),
    "resnet50": (53, 0),
    "mobilenet_v2": (52, 0),
    "inception_v3": (94, 0),
    "densenet121": (59, 62),
    "cnn19": (16, 0),
    "tiny": (3, 0),
}


def layers_of(model, kind):
    """Returns the layers of a kind, those of models nested in the model too."""
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    for layer in model.layers:
        found += layers_of(layer, kind) if isinstance(layer, keras.Model) else []
    return found


def norms_of(model):
    return layers_of(model, keras.layers.BatchNormalization)


@pytest.mark.parametrize(("backbone", "expected"), EXPECTED.items())
def test_folded_networks_give_the_same_logits(backbone, expected):
    size = 75 if backbone == "inception_v3" else 32
    model = build_classifier(backbone=backbone, num_outputs=3, image_size=size, channels=3)
    # Statistics of the images, or a random network's values grow out of all bounds.
    rng = np.random.default_rng(0)
    for norm in norms_of(model):
        norm.momentum = 0.0
        norm.gamma.assign(rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.1, norm.beta.shape))
    model(images(8, side=size, channels=3), training=True)
    model = in_precision(model, "float64")
    found = folded(model)
    assert (len(layers_of(found, ChannelBias)), len(norms_of(found))) == expected
    x = images(4, side=size, channels=3, seed=2).astype(np.float64)
    logits = model(x, training=False).numpy()
    assert np.ptp(logits, axis=0).min() > 1e-6
    np.testing.assert_allclose(found(x).numpy(), logits, rtol=0, atol=1e-11)


def test_the_network_that_is_folded_is_left_as_it_was():
    model = tiny()
    before = model.get_weights()
    folded(model)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_members_of_an_ensemble_are_folded():
    members = [tiny(seed=1), tiny(seed=2)]
    contract = ([2.0], [-1.0])
    model = build_ensemble(members, inputs=[contract] * 2, combine=MeanProbability(), image_size=32)
    found = folded(model)
    assert norms_of(model)
    assert not norms_of(found)
    np.testing.assert_allclose(found(gray()), model(gray(), training=False), rtol=1e-5, atol=1e-5)


def test_members_that_are_transformers_stay_as_they_are():
    members = [
        build_classifier(backbone=backbone, num_outputs=3, image_size=32, channels=1)
        for backbone in ("tiny", "vit_tiny16")
    ]
    model = build_ensemble(
        members, inputs=[([2.0], [-1.0])] * 2, combine=MeanProbability(), image_size=32
    )
    found = folded(model)
    assert len(layers_of(found, ChannelBias)) == 3
    np.testing.assert_allclose(found(gray()), model(gray(), training=False), rtol=1e-5, atol=1e-5)
    assert has_heat_maps(found)
    maps, expected = feature_maps(found, gray()), feature_maps(model, gray())
    for one, other in zip(maps, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_without_a_batch_norm_it_is_the_network_itself():
    model = build_classifier(backbone="squeezenet", num_outputs=3, image_size=32, channels=1)
    assert folded(model) is model


def of_layers(build):
    image = keras.Input((8, 8, 4))
    return randomised(keras.Model(image, build(image)))


def taken_twice(x):
    before = convolution(x, 4, 3, name="conv")
    return relu(normalize(before, mode="train", name="norm"), name="relu") + before


def given_out(x):
    before = convolution(x, 4, 3, name="conv")
    return [before, normalize(before, mode="train", name="norm")]


def called_twice(x):
    layer = keras.layers.Conv2D(4, 3, padding="same")
    return normalize(layer(layer(x)), mode="train", name="norm")


def called_twice_apart(x):
    layer = keras.layers.Conv2D(4, 3, padding="same")
    return normalize(layer(x), mode="train", name="norm") + layer(relu(x, name="relu"))


def norm_called_twice(x):
    norm = BatchNormalization()
    return norm(convolution(x, 4, 3, name="conv")) + norm(x)


def behind_an_activation(x):
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    return normalize(x, mode="train", name="norm")


def of_rows(x):
    x = convolution(x, 8, 3, name="conv")
    return BatchNormalization(axis=1)(x)


def without_gamma(x):
    return BatchNormalization(scale=False)(convolution(x, 4, 3, name="conv"))


def of_two_networks(x):
    shared = keras.layers.Conv2D(4, 3, padding="same")
    outputs = []
    for name in ("one", "other"):
        inner = keras.Input((8, 8, 4))
        outputs.append(keras.Model(inner, BatchNormalization()(shared(inner)), name=name)(x))
    return outputs


def of_a_network_without_a_norm_too(x):
    shared, inner, other = keras.layers.Conv2D(4, 3), keras.Input((8, 8, 4)), keras.Input((8, 8, 4))
    normalised = keras.Model(inner, BatchNormalization()(shared(inner)), name="normalised")
    return normalised(x) + keras.Model(other, shared(other), name="bare")(x)


def behind_a_relu(x):
    return normalize(
        relu(convolution(x, 4, 3, name="conv"), name="relu"), mode="train", name="norm"
    )


@pytest.mark.parametrize(
    "build",
    [
        taken_twice,
        given_out,
        called_twice,
        called_twice_apart,
        norm_called_twice,
        behind_an_activation,
        behind_a_relu,
        of_rows,
        without_gamma,
        of_two_networks,
        of_a_network_without_a_norm_too,
    ],
)
def test_what_cannot_be_folded_is_kept(build):
    model = of_layers(build)
    assert norms_of(model)
    assert folded(model) is model


def test_biases_are_folded_too_and_so_are_kernels_of_one_output():
    def build(x):
        x = normalize(keras.layers.Conv2D(5, 3)(x), mode="train", name="first")
        x = normalize(
            depthwise_convolution(x, strides=2, name="of_each"), mode="train", name="next"
        )
        return normalize(keras.layers.Conv2D(1, 2)(x), mode="train", epsilon=0.1, name="last")

    model = of_layers(build)
    found = folded(model)
    assert not norms_of(found)
    x = images(3, side=8, channels=4)
    expected = model(x, training=False).numpy()
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found(x), expected, rtol=1e-5, atol=1e-5)
