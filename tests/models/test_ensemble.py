"""Ensembles: each way to combine against its formula, and the whole as one model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from tests.models.classifiers import gray, probabilities, reloaded, tiny
from tfcovid.models.classifier import HEAD_LAYER, as_float32, in_precision
from tfcovid.models.ensemble import (
    MEMBER_LOGITS,
    GrayToInput,
    MeanProbability,
    StackedLogits,
    WeightedMembers,
    build_ensemble,
    members_of,
)

# Two contracts: torchxrayvision's one channel in -1024..1024, and ImageNet's three.
XRAY = ([2048.0], [-1024.0])
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
IMAGENET = ((1 / IMAGENET_STD).tolist(), (-IMAGENET_MEAN / IMAGENET_STD).tolist())
OUTPUTS = (1, 4)


def logits_of(members, outputs, n=50, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (n, members, outputs)).astype(np.float32)


def two_members(outputs):
    """One of each contract; the first scaled so that its large input gives ordinary logits."""
    one = tiny(seed=1, num_outputs=outputs)
    kernel = one.get_layer("backbone").get_layer("conv1").kernel
    kernel.assign(kernel / 1000)
    return [one, tiny(seed=2, num_outputs=outputs, channels=3)]


def randomised_head(layer, members, outputs, seed=3):
    """Returns the layer built and with weights at random, where it has any."""
    layer.build((None, members, outputs))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.3, w.shape).astype(np.float32) for w in layer.weights])
    return layer


def combined(layer, outputs):
    return build_ensemble(
        two_members(outputs),
        inputs=[XRAY, IMAGENET],
        combine=randomised_head(layer, 2, outputs),
        image_size=32,
    )


LAYERS = {
    "mean": MeanProbability,
    "stacked": StackedLogits,
    "tanh": WeightedMembers,
    "softmax": lambda: WeightedMembers(activation="softmax"),
}


def test_gray_becomes_what_each_contract_says():
    pixels = gray()
    wide = GrayToInput(*XRAY)(pixels)
    np.testing.assert_allclose(wide, pixels.astype(np.float64) * 2048 - 1024, rtol=1e-6, atol=1e-4)
    colours = GrayToInput(*IMAGENET)(pixels)
    expected = (pixels.astype(np.float64) - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(colours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("scale", "offset"), [([], []), ([1.0], [0.0, 1.0]), ([np.nan], [0.0])])
def test_an_input_that_fits_no_image_is_refused(scale, offset):
    with pytest.raises(ValueError, match="Received: scale="):
        GrayToInput(scale, offset)


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_probabilities_are_the_mean_of_the_members(outputs):
    logits = logits_of(3, outputs)
    ours = probabilities(MeanProbability()(logits))
    np.testing.assert_allclose(ours, probabilities(logits).mean(axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_where_every_member_is_sure_and_wrong_the_mean_still_has_a_gradient(outputs):
    logits = np.zeros((1, 2, outputs), np.float32)
    logits[0, :, 0] = [60.0, 80.0]
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        mean = MeanProbability()(variable)
        # The log-loss of a class that no member believes in.
        loss = mean[0, 0] if outputs == 1 else -mean[0, 1]
    gradient = tape.gradient(loss, variable)
    assert np.isfinite(mean).all() and 59 < float(np.max(np.abs(mean))) < 81
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0.1


def test_stacking_starts_as_the_geometric_mean_of_the_probabilities():
    logits = logits_of(3, 4)
    means = np.log(probabilities(logits)).mean(axis=1)
    np.testing.assert_allclose(
        probabilities(StackedLogits()(logits)), probabilities(means), rtol=1e-5, atol=1e-7
    )
    log_odds = logits_of(3, 1)
    np.testing.assert_allclose(StackedLogits()(log_odds), log_odds.mean(axis=1), atol=1e-6)


def test_stacking_is_multinomial_logistic_regression_on_log_probabilities():
    logits, labels = logits_of(3, 4, n=200), np.arange(200) % 4
    features = np.log(probabilities(logits)).reshape(200, -1)
    theirs = LogisticRegression(C=0.1).fit(features, labels)
    layer = StackedLogits()
    layer.build(logits.shape)
    layer.set_weights([theirs.coef_.T, theirs.intercept_])
    np.testing.assert_allclose(
        probabilities(layer(logits)), theirs.predict_proba(features), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_weighted_members_follow_the_formula(outputs, activation):
    logits = logits_of(3, outputs)
    layer = randomised_head(WeightedMembers(activation), 3, outputs)
    kernel, bias = (weight.astype(np.float64) for weight in layer.get_weights())
    for row, ours in zip(logits, np.asarray(layer(logits)), strict=True):
        probs = probabilities(row)
        f = probs.ravel()
        z = np.outer(f, f).ravel() @ kernel + bias
        weights = np.tanh(z) if activation == "tanh" else np.exp(z) / np.exp(z).sum()
        scores = weights @ probs
        expected = scores[1:] - scores[:1] if outputs == 1 else scores
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
def test_weighted_members_start_with_the_decisions_of_the_mean_probability(activation):
    logits = logits_of(3, 4)
    scores = WeightedMembers(activation)(logits)
    np.testing.assert_array_equal(
        np.argmax(scores, axis=1), probabilities(logits).mean(axis=1).argmax(axis=1)
    )


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="Received: activation='relu'"):
        WeightedMembers("relu")


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_an_ensemble_combines_what_each_member_says_of_its_own_input(layer, outputs):
    members, pixels = two_members(outputs), gray()
    head = randomised_head(layer(), 2, outputs)
    model = build_ensemble(members, inputs=[XRAY, IMAGENET], combine=head, image_size=32)
    seen = [pixels * 2048 - 1024, (pixels - IMAGENET_MEAN) / IMAGENET_STD]
    alone = [np.asarray(m(x.astype(np.float32))) for m, x in zip(members, seen, strict=True)]
    stacked = np.stack(alone, axis=1)
    inside = keras.Model(model.input, model.get_layer(MEMBER_LOGITS).output)(pixels)
    np.testing.assert_allclose(inside, stacked, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model(pixels), head(stacked), rtol=1e-4, atol=1e-4)
    assert model.layers[-1].name == HEAD_LAYER
    # The members and images differ: else a member twice, or one input for both, would pass.
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    assert np.abs(stacked[0] - stacked[1]).max() > 0.1


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_an_ensemble_saves_in_safe_mode_and_exports_with_the_same_logits(layer, outputs, tmp_path):
    model, pixels = combined(layer(), outputs), gray()
    again = reloaded(model, tmp_path)
    np.testing.assert_array_equal(again(pixels), model(pixels))
    assert not again.get_layer("member_1").trainable
    assert again.get_layer(HEAD_LAYER).get_config() == model.get_layer(HEAD_LAYER).get_config()
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(pixels), model(pixels), rtol=1e-4, atol=1e-5)


def test_an_ensemble_of_ensembles_saves_with_the_same_logits(tmp_path):
    inner, pixels = combined(StackedLogits(), 4), gray()
    outer = build_ensemble(
        [inner, two_members(4)[1]],
        inputs=[([1.0], [0.0]), IMAGENET],
        combine=MeanProbability(),
        image_size=32,
    )
    own = keras.Model(outer.input, outer.get_layer(MEMBER_LOGITS).output)(pixels)
    np.testing.assert_allclose(own[:, 0], inner(pixels), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(reloaded(outer, tmp_path)(pixels), outer(pixels))


def test_members_of_mixed_precision_compute_in_float32_and_as_float32_changes_nothing():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        half = two_members(4)
        model = build_ensemble(
            half, inputs=[XRAY, IMAGENET], combine=WeightedMembers(), image_size=32
        )
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    full = combined(WeightedMembers(), 4)
    full.get_layer(HEAD_LAYER).set_weights(model.get_layer(HEAD_LAYER).get_weights())
    np.testing.assert_array_equal(model(gray()), full(gray()))
    np.testing.assert_array_equal(as_float32(full)(gray()), full(gray()))
    exact = np.asarray(in_precision(full, "float64")(gray()))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, full(gray()), rtol=1e-4, atol=1e-5)


def test_an_ensemble_shares_nothing_and_only_its_head_can_train():
    members, head = two_members(4), randomised_head(StackedLogits(), 2, 4)
    model = build_ensemble(members, inputs=[XRAY, IMAGENET], combine=head, image_size=32)
    before = np.asarray(model(gray()))
    for layer in (*members, head):
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    np.testing.assert_array_equal(model(gray()), before)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {HEAD_LAYER}


def test_the_members_of_an_ensemble_are_found_in_order_and_others_have_none():
    model = combined(MeanProbability(), 4)
    assert [(seen.scale, member.name) for seen, member in members_of(model)] == [
        (XRAY[0], "member_0"),
        (IMAGENET[0], "member_1"),
    ]
    assert members_of(tiny()) == []


@pytest.mark.parametrize(
    ("members", "inputs", "message"),
    [
        ([], [], "Received: 0 members, 0 inputs"),
        ([{}], [XRAY, XRAY], "Received: 1 members, 2 inputs"),
        ([{}, {"num_outputs": 1}], [XRAY, XRAY], r"Received: outputs=\[3, 1\]"),
        ([{}, {"channels": 3}], [XRAY, XRAY], r"member 1 takes 3 channels.*scale=\[2048"),
        ([{}, {"image_size": 40}], [XRAY, XRAY], "member 1 takes images of 40 px.*=32"),
    ],
)
def test_members_that_do_not_fit_are_refused(members, inputs, message):
    built = [tiny(**kwargs) for kwargs in members]
    with pytest.raises(ValueError, match=message):
        build_ensemble(built, inputs=inputs, combine=MeanProbability(), image_size=32)
