import dataclasses
import io
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.lung_crop.slices import LEFT, ct_slice
from tests.graph_nodes import nodes, operations
from tfcovid.data.image_store import ImageStore
from tfcovid.data.preprocess import Preprocessing
from tfcovid.explain.class_activation import class_heat_maps, feature_maps
from tfcovid.metrics.decision import DecisionRule
from tfcovid.metrics.scaling import Scaling
from tfcovid.models.classifier import build_classifier
from tfcovid.serving.exported import ASSETS, ExportedClassifier, save_exported

CLASSES = ("Normal", "Pneumonia", "COVID-19")
PREPROCESSING = Preprocessing(image_size=32, channels=1, mean=(0.5,), std=(0.25,))

# Runs where none of this project's code can be imported.
PLAIN_CLIENT = """
import json, pathlib, sys
import tensorflow as tf
assert not any(name.split(".")[0] in ("tfcovid", "flags") for name in sys.modules)
model = tf.saved_model.load(sys.argv[1])
contents = [pathlib.Path(name).read_bytes() for name in sys.argv[2:]]
outputs = model.signatures["serving_default"](image_bytes=tf.constant(contents))
print(json.dumps({
    "probabilities": outputs["probabilities"].numpy().tolist(),
    "labels": [label.decode() for label in outputs["labels"].numpy()],
    "decision": [name.decode() for name in outputs["decision"].numpy()],
}))
"""


def random_model(num_outputs):
    """Returns a tiny classifier whose every variable, BN statistics too, is random."""
    model = build_classifier(backbone="tiny", num_outputs=num_outputs, image_size=32, channels=1)
    rng = np.random.default_rng(num_outputs)
    model.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape) * rng.choice([-1, 1], w.shape) * 0.3
            if w.ndim > 1
            else rng.uniform(0.5, 1.5, w.shape)
            for w in model.get_weights()
        ]
    )
    return model


def of_rule(rule, model, *, preprocessing=PREPROCESSING, heat_map=None):
    """Returns the module that decides by a rule."""
    return ExportedClassifier(
        model,
        preprocessing=preprocessing,
        classes=rule.classes,
        factor=rule.scaling.factor(),
        offset=rule.scaling.offset(model.output_shape[-1]),
        positive=rule.positive,
        threshold=rule.threshold,
        weights=rule.weights,
        heat_map=heat_map,
    )


def rule_of(num_outputs, *, bias=None, threshold=None, weights=None, positive=None):
    classes = CLASSES if num_outputs > 1 else ("Normal", "Pneumonia")
    return DecisionRule(classes, Scaling(170.0, bias), positive or classes[-1], threshold, weights)


def exported(num_outputs, threshold=None):
    return of_rule(rule_of(num_outputs, threshold=threshold), random_model(num_outputs))


def encode(image, format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=format)
    return buffer.getvalue()


@pytest.fixture
def encoded():
    """Non-square images of several sizes and modes."""
    rng = np.random.default_rng(0)
    return [
        encode(rng.integers(0, 256, (40, 71), np.uint8)),
        encode(rng.integers(0, 256, (90, 33, 3), np.uint8)),
        encode(rng.integers(0, 256, (64, 64, 3), np.uint8), "JPEG"),
        encode(rng.integers(0, 256, (20, 17), np.uint8), "JPEG"),
        encode(rng.integers(0, 65536, (50, 41), np.uint16)),
    ]


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def test_served_probabilities_are_those_of_the_model(encoded):
    module = exported(3)
    served = module.serving_default(tf.constant(encoded))
    inputs = np.stack([PREPROCESSING(image).numpy() for image in encoded])
    logits = module.model(inputs, training=False).numpy().astype(np.float64)
    np.testing.assert_allclose(served["probabilities"], softmax(logits / 170), rtol=1e-5)
    assert np.ptp(served["probabilities"].numpy(), axis=0).max() > 1e-3


def test_two_classes_have_two_probabilities_from_one_logit(encoded):
    module = exported(1, threshold=0.5)
    served = module.serving_default(tf.constant(encoded))
    inputs = np.stack([PREPROCESSING(image).numpy() for image in encoded])
    logits = module.model(inputs, training=False).numpy()[:, 0].astype(np.float64) / 170
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(served["probabilities"][:, 1], expected, rtol=1e-5)
    np.testing.assert_allclose(served["probabilities"][:, 0], 1 - expected, rtol=1e-5)


def test_cropped_images_are_served_as_training_sees_them_and_it_says_which_are_whole(tmp_path):
    cropping = dataclasses.replace(PREPROCESSING, chain="lung_crop")
    model = random_model(3)
    module = of_rule(rule_of(3), model, preprocessing=cropping)
    save_exported(module, tmp_path / "model")
    pictures = [
        encode(ct_slice(200, 240)[..., 0]),
        encode(ct_slice(90, 71, seed=1)[..., 0], "JPEG"),
        encode(ct_slice(300, 333, lungs=(LEFT,))[..., 0], "JPEG"),
        encode(ct_slice(80, 64, lungs=())[..., 0]),
    ]
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"](
        image_bytes=tf.constant(pictures)
    )
    paths = [tmp_path / str(number) for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(picture)
    store, _ = ImageStore.load(paths, cropping, cache="memory")
    inputs = cropping.network_input(store.fetch(np.arange(len(paths))))
    logits = model(inputs, training=False).numpy().astype(np.float64)
    np.testing.assert_allclose(served["probabilities"], softmax(logits / 170), rtol=1e-5)
    assert served["lungs_found"].numpy().tolist() == [True, True, True, False]
    assert store.uncropped.tolist() == [False, False, False, True]


def test_a_plain_model_says_nothing_of_lungs(encoded):
    assert "lungs_found" not in exported(3).serving_default(tf.constant(encoded))


def test_threshold_decides_between_two_classes(encoded):
    even = exported(1, threshold=0.5)
    probs = even.serving_default(tf.constant(encoded))["probabilities"]
    threshold = float(np.median(probs.numpy()[:, 1]))
    module = exported(1, threshold=threshold)
    served = module.serving_default(tf.constant(encoded))
    expected = [
        b"Pneumonia" if p >= np.float32(threshold) else b"Normal" for p in probs.numpy()[:, 1]
    ]
    assert list(served["decision"].numpy()) == expected
    assert set(expected) == {b"Normal", b"Pneumonia"}


RULES = {
    "two, bias, threshold": (1, {"bias": (-0.3, 0.3), "threshold": 0.4}),
    "two, largest": (1, {}),
    "largest": (3, {"bias": (0.4, 0.1, -0.5)}),
    "balanced": (3, {"bias": (0.4, 0.1, -0.5), "weights": (0.5, 1.0, 6.0)}),
    "threshold of the last": (3, {"bias": (0.4, 0.1, -0.5), "threshold": 0.2}),
    "threshold of the first": (3, {"positive": "Normal", "threshold": 0.35}),
}


def edge_logits(rule, num_outputs):
    """Random logits, and such that probabilities lie at the threshold or are equal."""
    rng = np.random.default_rng(0)
    spread = rng.normal(0, 2, (4000, num_outputs))
    flat = np.zeros((50, num_outputs))
    scores = np.concatenate([spread, flat, rng.normal(0, 1e-6, (500, num_outputs))])
    if rule.threshold is not None:
        edge = np.log(rule.threshold / (1 - rule.threshold)) + rng.normal(0, 1e-6, 500)
        column = rule.classes.index(rule.positive) if num_outputs > 1 else 0
        at = np.zeros((500, num_outputs))
        at[:, column] = edge + (np.log(num_outputs - 1) if num_outputs > 1 else 0)
        scores = np.concatenate([scores, at])
    return ((scores - rule.scaling.offset(num_outputs)) / rule.scaling.factor()).astype(np.float32)


@pytest.mark.parametrize(("num_outputs", "settings"), RULES.values(), ids=RULES)
def test_module_and_numpy_rule_give_the_same_numbers_and_decisions(num_outputs, settings):
    rule = rule_of(num_outputs, **settings)
    # The network is the identity: its inputs are the logits.
    network = keras.Sequential([keras.Input((num_outputs,)), keras.layers.Activation("linear")])
    module, logits = of_rule(rule, network), edge_logits(rule, num_outputs)

    @tf.function
    def serve(inputs):
        probs = module.probabilities(inputs)
        return probs, module.decide(probs)

    probs, decisions = (found.numpy() for found in serve(tf.constant(logits)))
    ours = rule.probabilities(logits)
    assert probs.dtype == ours.dtype == np.float32
    np.testing.assert_allclose(probs, ours, rtol=2e-6, atol=1e-9)
    # Of the same probabilities the decisions are equal, be they at the threshold or tied.
    np.testing.assert_array_equal(decisions, rule.decide(probs))
    np.testing.assert_array_equal(module.decide(tf.constant(ours)), rule.decide(ours))
    # From logits, only what lies within a rounding of the edge may differ.
    assert (decisions != rule.decide(ours))[:4000].sum() == 0
    assert len(np.unique(decisions)) == len(rule.classes)


def test_one_image_is_served_as_in_a_batch(encoded):
    module = exported(3)
    together = module.serving_default(tf.constant(encoded))["probabilities"].numpy()
    alone = [
        module.serving_default(tf.constant([one]))["probabilities"].numpy()[0] for one in encoded
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_saved_model_serves_the_same_without_this_code(tmp_path, encoded):
    module = exported(3)
    save_exported(module, tmp_path / "saved_model")
    files = [tmp_path / f"{index}.img" for index in range(len(encoded))]
    for path, content in zip(files, encoded, strict=True):
        path.write_bytes(content)
    client = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN_CLIENT, tmp_path / "saved_model", *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = json.loads(client.stdout)
    expected = module.serving_default(tf.constant(encoded))
    np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], atol=1e-6)
    assert outputs["labels"] == list(CLASSES)
    assert outputs["decision"] == [name.decode() for name in expected["decision"].numpy()]


def test_half_precision_model_is_served_in_float32(tmp_path, encoded):
    from tfcovid.models.classifier import as_float32

    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        trained = random_model(3)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    module = of_rule(rule_of(3), as_float32(trained))
    save_exported(module, tmp_path / "saved_model")
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    concrete = loaded.signatures["serving_default"]
    half = {
        node.name
        for node in nodes(concrete)
        for value in node.attr.values()
        if tf.float16.as_datatype_enum in (value.type, *value.list.type)
    }
    assert not half
    assert "Conv2D" in operations(concrete)


def test_the_file_holds_large_weights_as_variables_and_small_ones_once_as_constants(
    tmp_path, encoded
):
    keras.utils.set_random_seed(0)
    model = build_classifier(backbone="resnet18", num_outputs=3, image_size=32, channels=1)
    backbone = model.get_layer("backbone")
    variances = [backbone.get_layer(name).moving_variance for name in ("bn1", "layer4_1_bn2")]
    for seed, variance in enumerate(variances):
        variance.assign(np.random.default_rng(seed).uniform(0.5, 1.5, variance.shape))
    save_exported(of_rule(rule_of(3), model, heat_map="layer_cam"), tmp_path / "model")
    saved = tf.train.list_variables(str(tmp_path / "model" / "variables" / "variables"))
    shapes = sorted(math.prod(shape) for name, shape in saved if name.startswith("large_weights"))
    sizes = sorted(math.prod(variable.shape) for variable in model.variables)
    assert shapes == [size for size in sizes if size > 16_384]
    assert len(shapes) < 20 < len(sizes) - len(shapes)
    graph = (tmp_path / "model" / "saved_model.pb").read_bytes()
    for variance in variances:
        assert graph.count(variance.numpy().tobytes()) == 1
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["explain"](
        image_bytes=tf.constant(encoded)
    )
    inputs = np.stack([PREPROCESSING(image).numpy() for image in encoded])
    logits = model(inputs, training=False).numpy().astype(np.float64)
    np.testing.assert_allclose(served["probabilities"], softmax(logits / 170), rtol=1e-5)


def test_saved_model_does_not_overwrite_one_that_is_there(tmp_path):
    save_exported(exported(3), tmp_path / "saved_model")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(OSError, match="not empty"):
        save_exported(exported(3), tmp_path / "saved_model")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_the_explain_signature_draws_on_the_square_what_eager_code_draws(tmp_path, encoded):
    module = of_rule(rule_of(3), random_model(3), heat_map="layer_cam")
    save_exported(module, tmp_path / "saved_model")
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    served = loaded.signatures["explain"](image_bytes=tf.constant(encoded))
    squares = np.stack([PREPROCESSING.image_from_bytes(image).numpy() for image in encoded])
    inputs = PREPROCESSING.network_input(tf.constant(squares))
    _, expected = class_heat_maps(module.model, feature_maps(module.model, inputs), size=32)
    np.testing.assert_array_equal(served["square"], squares[..., 0])
    np.testing.assert_allclose(served["heatmaps"], expected, atol=1e-5)
    plain = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))
    np.testing.assert_allclose(served["probabilities"], plain["probabilities"], atol=1e-6)
    for name in ("labels", "decision"):
        np.testing.assert_array_equal(served[name], plain[name])


def test_decoded_images_are_served_as_files_of_them(tmp_path):
    save_exported(exported(3), tmp_path / "saved_model")
    signatures = tf.saved_model.load(str(tmp_path / "saved_model")).signatures
    rng = np.random.default_rng(3)
    for channels in (1, 3):
        images = rng.integers(0, 256, (2, 50, 40, channels), np.uint8)
        files = [encode(image[..., 0] if channels == 1 else image) for image in images]
        expected = signatures["serving_default"](image_bytes=tf.constant(files))
        served = signatures["image"](images=tf.constant(images))
        np.testing.assert_array_equal(served["probabilities"], expected["probabilities"])
        np.testing.assert_array_equal(served["decision"], expected["decision"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 1 or 3 channels"):
        signatures["image"](images=tf.zeros((1, 8, 8, 4), tf.uint8))


def test_every_output_of_rows_has_the_batch_s_axis(tmp_path, encoded):
    save_exported(exported(3), tmp_path / "saved_model")
    signatures = tf.saved_model.load(str(tmp_path / "saved_model")).signatures
    served = signatures["rows"](image_bytes=tf.constant(encoded))
    plain = signatures["serving_default"](image_bytes=tf.constant(encoded))
    assert served["labels"].shape == (len(encoded), 3)
    assert [[name.decode() for name in row] for row in served["labels"].numpy()] == [
        list(CLASSES)
    ] * len(encoded)
    for name in ("probabilities", "decision"):
        np.testing.assert_array_equal(served[name], plain[name])
    assert all(
        shape.rank and shape[0] is None for shape in signatures["rows"].output_shapes.values()
    )


def test_assets_travel_beside_the_graph(tmp_path):
    content = {"labels": ["Größe", "B"], "card": {"version": 1.5, "none": None}}
    save_exported(exported(3), tmp_path / "saved_model", content)
    for name, expected in content.items():
        path = tmp_path / "saved_model" / ASSETS / f"{name}.json"
        assert json.loads(path.read_text("utf-8")) == expected
