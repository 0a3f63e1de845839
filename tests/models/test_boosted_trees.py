"""Boosted trees as a layer: scikit-learn's own decision function, to the last threshold."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from tests.models.classifiers import gray, probabilities, reloaded, tiny
from tfcovid.models.boosted_trees import (
    BoostedTrees,
    boosted_trees_layer,
    build_boosted_classifier,
    trees_from_sklearn,
)
from tfcovid.models.classifier import as_float32, in_precision
from tfcovid.models.ensemble import MeanProbability, build_ensemble
from tfcovid.models.features import feature_model
from tfcovid.models.necks import POOL_LAYER


def boosting(num_classes, *, num_features=7, seed=0, **settings):
    """A fitted boosting of so many classes, of unlike sizes and trees of unlike depth."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(300, num_features)).astype(np.float32)
    score = features[:, 0] + np.sin(3 * features[:, 1]) + features[:, 2] * features[:, 3]
    cuts = np.quantile(score, [0.5, 0.8, 0.9][: num_classes - 1])
    labels = np.searchsorted(cuts, score)
    arguments = {"n_estimators": 25, "max_depth": 3, "subsample": 0.7, "random_state": seed}
    return GradientBoostingClassifier(**arguments | settings).fit(features, labels)


def at_thresholds(model, seed=5):
    """Features that lie on thresholds, on the float32 next to them on both sides, and elsewhere."""
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(200, model.n_features_in_)).astype(np.float32)]
    for tree in model.estimators_.ravel():
        tree = tree.tree_
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                near = np.float32(threshold)
                around = [near, *(np.nextafter(near, np.float32(to)) for to in (-np.inf, np.inf))]
                block = rng.normal(size=(3, model.n_features_in_)).astype(np.float32)
                block[:, feature] = around
                rows.append(block)
    return np.vstack(rows)


def decision_function(model, features):
    scores = model.decision_function(features)
    return scores[:, None] if scores.ndim == 1 else scores


@pytest.mark.parametrize("init", ["zero", None])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_logits_are_scikit_learns_decision_function_also_at_every_threshold(num_classes, init):
    model = boosting(num_classes, init=init)
    features = at_thresholds(model)
    assert len(features) > 500
    ours = np.asarray(boosted_trees_layer(model)(features))
    assert ours.shape == (len(features), 1 if num_classes == 2 else num_classes)
    np.testing.assert_allclose(ours, decision_function(model, features), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(probabilities(ours), model.predict_proba(features), atol=1e-6)


def test_every_example_reaches_the_leaf_that_scikit_learn_sends_it_to():
    model = boosting(2, n_estimators=12)
    features = at_thresholds(model)
    trees = trees_from_sklearn(model)
    # Values that name tree and leaf: a sum of powers tells which leaf each tree gave.
    leaves = [tree.apply(features) for tree in model.estimators_.ravel()]
    for index, expected in enumerate(leaves):
        layer = boosted_trees_layer(model)
        value = np.zeros_like(trees["value"])
        value[index] = np.arange(value.shape[1])
        layer.set_trees(trees | {"value": value, "offset": np.zeros(1)})
        np.testing.assert_array_equal(np.asarray(layer(features))[:, 0], expected)


def test_rounding_a_threshold_to_nearest_would_send_examples_the_wrong_way():
    """Else the test above could not fail."""
    model = boosting(2)
    trees = [tree.tree_ for tree in model.estimators_.ravel()]
    thresholds = np.concatenate([tree.threshold[tree.feature >= 0] for tree in trees])
    assert (thresholds.astype(np.float32) > thresholds).any()
    assert (thresholds.astype(np.float32) < thresholds).any()


def test_the_start_at_the_prior_is_in_the_offset():
    model = boosting(4, learning_rate=1e-9)
    start = probabilities(trees_from_sklearn(model)["offset"])
    np.testing.assert_allclose(start, [0.5, 0.3, 0.1, 0.1], rtol=1e-5)


def test_a_start_that_depends_on_the_example_is_refused():
    model = boosting(2, init=RandomForestClassifier(n_estimators=2, random_state=0))
    with pytest.raises(ValueError, match=r"init='zero' or None. Received: init=RandomForest"):
        trees_from_sklearn(model)


@pytest.mark.parametrize("settings", [{"max_depth": 1}, {"max_depth": None}, {"max_leaf_nodes": 6}])
def test_trees_of_any_shape_agree(settings):
    model = boosting(2, n_estimators=4, **settings)
    features = at_thresholds(model)
    ours = np.asarray(boosted_trees_layer(model)(features))
    np.testing.assert_allclose(ours, decision_function(model, features), rtol=1e-6, atol=1e-6)


def test_trees_without_a_split_give_their_start():
    features, labels = np.zeros((6, 2), np.float32), np.array([0, 0, 0, 0, 1, 1])
    model = GradientBoostingClassifier(n_estimators=3).fit(features, labels)
    layer = boosted_trees_layer(model)
    assert layer.get_config()["depth"] == 0
    np.testing.assert_allclose(layer(features), np.full((6, 1), np.log(2 / 4)), rtol=1e-5)


@pytest.mark.parametrize("sizes", [(0, 1, 0, 1), (1, 0, 0, 1), (1, 1, 0, 0), (1, 1, -1, 1)])
def test_sizes_without_a_tree_node_or_output_are_refused(sizes):
    with pytest.raises(ValueError, match=r"Received: \{'num_trees'"):
        BoostedTrees(*sizes)


def boosted_classifier(num_classes, **kwargs):
    """A tiny network whose head was boosted on its own features."""
    network = tiny(num_outputs=1 if num_classes == 2 else num_classes, **kwargs)
    features = feature_model(network)
    seen = np.asarray(features(gray(120, seed=9)))
    labels = np.searchsorted(
        np.quantile(seen[:, 0], [0.5, 0.8, 0.9][: num_classes - 1]), seen[:, 0]
    )
    model = GradientBoostingClassifier(n_estimators=15, random_state=0).fit(seen, labels)
    return build_boosted_classifier(features, boosted_trees_layer(model)), model


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_boosted_classifier_saves_in_safe_mode_and_exports_with_the_same_logits(
    num_classes, tmp_path
):
    model, trees = boosted_classifier(num_classes)
    pixels = gray(30, seed=10)
    expected = decision_function(trees, np.asarray(feature_model(model)(pixels)))
    np.testing.assert_allclose(model(pixels), expected, rtol=1e-6, atol=1e-6)
    assert np.ptp(expected) > 0.5
    again = reloaded(model, tmp_path)
    np.testing.assert_array_equal(again(pixels), model(pixels))
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(pixels), model(pixels), rtol=1e-5, atol=1e-5)


def test_a_boosted_classifier_has_the_layers_of_every_classifier_and_nothing_of_its_head_trains():
    model, _ = boosted_classifier(4)
    assert model.get_layer("backbone").output.shape[1:] == (4, 4, 64)
    assert model.get_layer(POOL_LAYER).output.shape[1:] == (64,)
    assert model.layers[-1].name == "logits"
    assert not model.layers[-1].trainable_variables
    assert model.get_layer("backbone").trainable_variables


def test_as_float32_of_a_boosted_classifier_keeps_every_bit():
    model, _ = boosted_classifier(4)
    pixels = gray(30, seed=10)
    np.testing.assert_array_equal(as_float32(model)(pixels), model(pixels))
    exact = in_precision(model, "float64")
    assert exact.get_layer("logits").threshold.dtype == "float64"
    assert exact.get_layer("logits").feature.dtype == "int32"
    np.testing.assert_allclose(exact(pixels), model(pixels), rtol=1e-4, atol=1e-5)


def test_under_mixed_precision_trees_see_and_compute_in_float32():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = boosting(2)
        layer = boosted_trees_layer(model)
        features = at_thresholds(model)
        ours = np.asarray(layer(features))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    np.testing.assert_allclose(ours, decision_function(model, features), rtol=1e-6, atol=1e-6)


def test_an_ensemble_of_a_linear_and_a_boosted_member_is_one_model(tmp_path):
    boosted, _ = boosted_classifier(4)
    linear = tiny(seed=2, num_outputs=4, channels=3)
    model = build_ensemble(
        [linear, boosted],
        inputs=[([2.0, 3.0, 4.0], [-1.0, 0.5, 0.0]), ([1.0], [0.0])],
        combine=MeanProbability(),
        image_size=32,
    )
    pixels = gray(20, seed=10)
    colours = (pixels * [2, 3, 4] + [-1, 0.5, 0]).astype(np.float32)
    expected = (probabilities(linear(colours)) + probabilities(boosted(pixels))) / 2
    np.testing.assert_allclose(probabilities(model(pixels)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(reloaded(model, tmp_path)(pixels), model(pixels))
    np.testing.assert_array_equal(as_float32(model)(pixels), model(pixels))
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(pixels), model(pixels), rtol=1e-4, atol=1e-5)


def test_trees_of_another_name_not_built_or_of_other_features_are_refused():
    features = feature_model(tiny())
    layer = boosted_trees_layer(boosting(2), name="trees")
    with pytest.raises(ValueError, match=r"called 'logits'.*Received: name='trees', built=True"):
        build_boosted_classifier(features, layer)
    with pytest.raises(ValueError, match="built=False"):
        build_boosted_classifier(features, BoostedTrees(1, 1, 0, 1, name="logits"))
    wide = boosted_trees_layer(boosting(2, num_features=90, seed=2))
    with pytest.raises(ValueError, match=r"the trees ask for feature \d+, the network has 64"):
        build_boosted_classifier(features, wide)


def test_pytorchs_backend_gives_the_same_logits(tmp_path):
    model = boosting(4)
    features = at_thresholds(model)
    np.savez(tmp_path / "in.npz", features=features, **trees_from_sklearn(model))
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.torch_trees", "in.npz", "out.npz"],
        cwd=tmp_path,
        env=os.environ
        | {"KERAS_BACKEND": "torch", "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npz")["logits"]
    np.testing.assert_allclose(found, decision_function(model, features), rtol=1e-6, atol=1e-6)
