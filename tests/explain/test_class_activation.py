"""Heat maps are the gradients they claim to be, on every architecture, eagerly and in a graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.classifiers import gray, randomised, tiny
from tests.models.test_boosted_trees import boosted_classifier
from tfcovid.explain.class_activation import (
    METHODS,
    class_heat_maps,
    feature_maps,
    has_heat_maps,
)
from tfcovid.models.backbones import BACKBONES, SMALLEST_IMAGE_PX, build_backbone
from tfcovid.models.classifier import build_classifier
from tfcovid.models.ensemble import MeanProbability, build_ensemble
from tfcovid.models.layers import HEAT_LAYER

CONVOLUTIONAL = sorted(name for name in BACKBONES if not name.startswith("vit"))


def drawn(model, images, method="layer_cam"):
    """Returns logits and heat maps, NumPy."""
    maps = feature_maps(model, tf.constant(images))
    found = class_heat_maps(model, maps, size=images.shape[1], method=method)
    return [part.numpy() for part in found]


def at_size(evidence, size):
    return tf.image.resize(evidence[..., None], [size, size]).numpy()[..., 0]


def scaled(evidence):
    positive = np.maximum(evidence, 0)
    largest = positive.max(axis=(-2, -1), keepdims=True)
    return np.divide(positive, largest, out=np.zeros_like(positive), where=largest > 0)


def layers_behind_the_map(model):
    """Of a network whose backbone is a chain."""
    backbone = model.get_layer("backbone")
    names = [layer.name for layer in backbone.layers]
    behind = backbone.layers[names.index(HEAT_LAYER) + 1 :]
    return keras.Sequential([*behind, *model.layers[model.layers.index(backbone) + 1 :]])


def gradients_of(model, images):
    """Returns the named map, [n, h, w, k], and each output's gradients by it, [n, c, h, w, k]."""
    backbone = model.get_layer("backbone")
    front = keras.Model(backbone.inputs[0], backbone.get_layer(HEAT_LAYER).output)
    features, behind = tf.constant(front(images)), layers_behind_the_map(model)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = behind(features)
    return features.numpy(), tape.batch_jacobian(logits, features).numpy()


WEIGHED = {
    "layer_cam": lambda features, gradient: np.maximum(gradient, 0) * features,
    "hires_cam": lambda features, gradient: gradient * features,
    "grad_cam": lambda features, gradient: gradient.mean(axis=(1, 2), keepdims=True) * features,
}


def evidence_of(model, images, method):
    """Returns what the method finds for each output, [n, c, h, w]."""
    features, gradients = gradients_of(model, images)
    found = [WEIGHED[method](features, gradients[:, c]) for c in range(gradients.shape[1])]
    return np.stack(found, axis=1).sum(-1)


def upsampled(evidence, size):
    return np.stack([at_size(evidence[:, c], size) for c in range(evidence.shape[1])], axis=1)


def of_cnn19():
    model = randomised(build_classifier(backbone="cnn19", num_outputs=3, image_size=64, channels=1))
    # Of the size that the activations keep the network alive to its end.
    model.set_weights([w * 0.3 if w.ndim == 4 else w for w in model.get_weights()])
    return model, gray(2, side=64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", [lambda: (tiny(), gray()), of_cnn19], ids=["tiny", "cnn19"])
def test_the_map_is_what_the_gradients_of_the_network_make_of_the_named_layer(network, method):
    model, images = network()
    logits, found = drawn(model, images, method)
    expected = scaled(upsampled(evidence_of(model, images, method), images.shape[1]))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(logits, model(images), rtol=1e-4, atol=1e-4)
    assert found.max() == 1 and found.std() > 0.1


def test_the_gradients_are_right_a_small_step_changes_the_logits_as_they_say():
    model, images = tiny(), gray()
    features, gradients = gradients_of(model, images)
    behind = layers_behind_the_map(model)
    step = np.random.default_rng(0).normal(size=features.shape) * 1e-3 * np.abs(features).mean()
    changed = np.asarray(behind(tf.constant(features + step, tf.float32)) - behind(features))
    said = np.einsum("bchwk,bhwk->bc", gradients, step)
    np.testing.assert_allclose(changed, said, rtol=0.05, atol=np.abs(said).max() * 0.05)


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_every_convolutional_backbone_names_a_map_finer_than_its_last_without_values_below_0(
    backbone,
):
    model = build_backbone(backbone, image_size=128, channels=1)
    named = model.get_layer(HEAT_LAYER).output
    drawn_from = keras.Model(model.inputs[0], named)(gray(1, side=128)).numpy()
    assert drawn_from.min() >= 0
    assert drawn_from.shape[1] >= 2 * model.output_shape[1] and drawn_from.shape[1] >= 6


def test_one_output_is_two_classes_and_no_place_speaks_for_both():
    model = tiny(num_outputs=1)
    logits, found = drawn(model, gray(), "hires_cam")
    assert logits.shape == (4, 1) and found.shape == (4, 2, 32, 32)
    evidence = at_size(evidence_of(model, gray(), "hires_cam")[:, 0], 32)
    np.testing.assert_allclose(found[:, 1], scaled(evidence), atol=1e-4)
    np.testing.assert_allclose(found[:, 0], scaled(-evidence), atol=1e-4)


def test_a_class_that_nothing_speaks_for_has_a_map_of_zeros():
    model = tiny()
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.asarray(kernel) * [1, 0, 1])
    found = drawn(model, gray())[1]
    assert found[:, 1].max() == 0 and found[:, 0].max() == found[:, 2].max() == 1


def test_a_graph_draws_what_eager_code_draws():
    model, images = tiny(), gray()

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 1])])
    def in_graph(images):
        return class_heat_maps(model, feature_maps(model, images), size=32)

    for ours, eager in zip(in_graph(images), drawn(model, images), strict=True):
        np.testing.assert_allclose(ours, eager, rtol=1e-5, atol=1e-6)


def test_the_evidence_of_an_ensemble_is_its_members_own_as_its_logits_weigh_them():
    members = [tiny(seed=1), tiny(seed=2)]
    model = build_ensemble(
        members, inputs=[([3.0], [-1.0]), ([2.0], [0.5])], combine=MeanProbability(), image_size=32
    )
    pixels = gray()
    seen = [(pixels * 3 - 1).astype(np.float32), (pixels * 2 + 0.5).astype(np.float32)]
    of_members = [tf.constant(member(x)) for member, x in zip(members, seen, strict=True)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(of_members)
        logits = MeanProbability()(tf.stack(of_members, axis=1))
    weights = [tape.batch_jacobian(logits, x).numpy() for x in of_members]
    evidence = 0
    for member, x, weight in zip(members, seen, weights, strict=True):
        features, gradients = gradients_of(member, x)
        of_ensemble = np.einsum("bohwk,bco->bchwk", gradients, weight)
        found = [WEIGHED["layer_cam"](features, of_ensemble[:, c]).sum(-1) for c in range(3)]
        evidence = evidence + upsampled(np.stack(found, axis=1), 32)
    found = drawn(model, pixels)
    np.testing.assert_allclose(found[0], model(pixels), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], scaled(evidence), atol=1e-3)


def test_trees_have_no_map_and_add_none_to_an_ensemble():
    (trees, _), network = boosted_classifier(3), tiny(seed=2)
    assert not has_heat_maps(trees)
    with pytest.raises(ValueError, match="boosted trees or a transformer"):
        drawn(trees, gray())
    model = build_ensemble(
        [trees, network],
        inputs=[([1.0], [0.0]), ([1.0], [0.0])],
        combine=MeanProbability(),
        image_size=32,
    )
    found = drawn(model, gray())[1]
    alone = build_ensemble(
        [network], inputs=[([1.0], [0.0])], combine=MeanProbability(), image_size=32
    )
    assert has_heat_maps(model) and found.max() == 1
    assert found.shape == drawn(alone, gray())[1].shape


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_every_convolutional_backbone_has_a_map_for_one_class_or_the_other(backbone):
    size = max(64, SMALLEST_IMAGE_PX.get(backbone, 0))
    model = build_classifier(backbone=backbone, num_outputs=1, image_size=size, channels=1)
    found = drawn(model, gray(1, side=80)[:, :size, :size])[1]
    assert found.shape == (1, 2, size, size) and np.isfinite(found).all()
    assert found.min() >= 0 and found.max() == 1


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method must be one of layer_cam, hires_cam, grad_cam"):
        drawn(tiny(), gray(), "saliency")
