import keras
import numpy as np

from tests.models.classifiers import gray, images, tiny
from tfcovid.models.ensemble import StackedLogits, build_ensemble
from tfcovid.models.features import feature_model


def test_the_features_of_a_classifier_are_what_its_head_multiplies():
    model = tiny()
    features = np.asarray(feature_model(model)(images()), np.float64)
    head = model.get_layer("logits")
    expected = features @ np.asarray(head.kernel) + np.asarray(head.bias)
    np.testing.assert_allclose(model(images()), expected, rtol=1e-4, atol=1e-5)


def test_the_features_of_an_ensemble_are_those_of_its_members_each_behind_its_own_input():
    members = [tiny(seed=1), tiny(seed=2, channels=3)]
    inner = build_ensemble(
        members,
        inputs=[([3.0], [-1.0]), ([2.0, 3.0, 4.0], [-1.0, 0.5, 0.0])],
        combine=StackedLogits(),
        image_size=32,
    )
    outer = build_ensemble(
        [inner, members[0]],
        inputs=[([1.0], [0.0]), ([5.0], [0.0])],
        combine=StackedLogits(),
        image_size=32,
    )
    pixels = gray()
    expected = [
        feature_model(members[0])(pixels * 3 - 1),
        feature_model(members[1])((pixels * [2, 3, 4] + [-1, 0.5, 0]).astype(np.float32)),
        feature_model(members[0])(pixels * 5),
    ]
    ours = feature_model(inner)(pixels)
    assert ours.shape == (4, 128)
    np.testing.assert_allclose(ours, np.hstack(expected[:2]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        feature_model(outer)(pixels), np.hstack(expected), rtol=1e-4, atol=1e-5
    )
    assert np.abs(expected[0] - expected[2]).max() > 0.1


def test_the_feature_model_is_on_the_same_variables_and_predicts_in_batches():
    model = build_ensemble(
        [tiny(seed=1), tiny(seed=2)],
        inputs=[([1.0], [0.0]), ([2.0], [-1.0])],
        combine=StackedLogits(),
        image_size=32,
    )
    features = feature_model(model)
    assert {id(v) for v in features.variables} <= {id(v) for v in model.variables}
    predicted = features.predict(gray(5), batch_size=2, verbose=0)
    np.testing.assert_allclose(predicted, features(gray(5)), rtol=1e-5, atol=1e-6)
    assert isinstance(features, keras.Model)
