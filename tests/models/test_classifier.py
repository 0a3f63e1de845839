import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcovid.models.classifier import as_float32, build_classifier, prior_bias


def _randomised(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype == "float32":
            positive = variable.name in ("gamma", "moving_variance")
            values = rng.uniform(0.5, 1.5, variable.shape)
            variable.assign(values if positive else values - 1)
    return model


def _tiny(**kwargs):
    arguments = {"backbone": "tiny", "num_outputs": 3, "image_size": 32, "channels": 1}
    return _randomised(build_classifier(**{**arguments, **kwargs}))


def _images(seed=1, channels=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 32, 32, channels)).astype(np.float32)


@pytest.fixture
def precision(request):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(request.param)
    yield request.param
    keras.mixed_precision.set_dtype_policy(before)


def test_logits_are_the_pooled_feature_map_times_the_head():
    model = _tiny()
    images = _images()
    features = np.asarray(model.get_layer("backbone")(images), np.float64)
    head = model.get_layer("logits")
    expected = features.mean((1, 2)) @ np.asarray(head.kernel) + np.asarray(head.bias)
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"], indirect=True)
def test_under_mixed_precision_the_backbone_computes_in_half_and_the_logits_in_float32(precision):
    model = _tiny()
    half = precision.removeprefix("mixed_")
    assert model.get_layer("backbone").output.dtype == half
    assert model.get_layer("backbone").get_layer("bn1").output.dtype == half
    assert keras.backend.standardize_dtype(model(_images()).dtype) == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"], indirect=True)
def test_as_float32_is_the_network_that_float32_would_have_built(precision):
    mixed = _tiny(dropout=0.3, batch_norm="frozen")
    keras.mixed_precision.set_dtype_policy("float32")
    expected = _tiny(dropout=0.3, batch_norm="frozen")
    rebuilt = as_float32(mixed)
    images = _images()
    np.testing.assert_array_equal(rebuilt(images), expected(images))
    assert not np.array_equal(rebuilt(images), mixed(images))
    assert rebuilt.get_layer("backbone").get_layer("bn2").statistics == "stored"


def test_as_float32_shares_no_variable_and_is_not_compiled():
    model = _tiny()
    model.compile("sgd", "mse")
    copy = as_float32(model)
    copy.get_layer("logits").bias.assign([9.0, 9.0, 9.0])
    assert not np.any(np.asarray(model.get_layer("logits").bias) == 9)
    assert not copy.compiled


# Keras 3.15 saves variables through NumPy in a way that NumPy 2 calls deprecated.
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"], indirect=True)
def test_a_saved_model_reloads_in_safe_mode_with_the_same_logits(precision, tmp_path):
    model = _tiny(dropout=0.2, head_bias=[0.1, 0.2, 0.3], batch_norm="frozen")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(_images()), model(_images()))
    assert again.get_layer("backbone").get_layer("bn1").statistics == "stored"


def test_dropout_acts_in_training_only():
    model = _tiny(dropout=0.5, batch_norm="frozen")
    images = _images()
    assert not np.array_equal(model(images, training=True), model(images))
    np.testing.assert_array_equal(model(images), model(images))


def test_an_untrained_head_with_zero_features_predicts_the_prior():
    prior = np.array([0.2, 0.3, 0.5])
    model = build_classifier(
        backbone="tiny", num_outputs=3, image_size=32, channels=1, head_bias=prior_bias(prior)
    )
    probs = keras.ops.softmax(model(np.zeros((1, 32, 32, 1), np.float32)))
    np.testing.assert_allclose(probs[0], prior, rtol=1e-6)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=8))
def test_softmax_of_the_prior_bias_is_the_prior(weights):
    prior = np.array(weights) / np.sum(weights)
    np.testing.assert_allclose(np.exp(prior_bias(prior)), prior, rtol=1e-12)


@given(st.floats(1e-9, 1 - 1e-9))
def test_sigmoid_of_the_prior_bias_is_the_prior(prior):
    np.testing.assert_allclose(1 / (1 + np.exp(-prior_bias(prior))), [prior], rtol=1e-9)


@pytest.mark.parametrize("prior", [0.0, 1.0, np.nan, [0.5, 0.6], [0.0, 1.0], [[0.5, 0.5]]])
def test_a_prior_that_is_no_distribution_is_refused(prior):
    with pytest.raises(ValueError, match="Received: prior="):
        prior_bias(prior)


@pytest.mark.parametrize("head_bias", [[0.0], [0.0, 1.0, np.nan]])
def test_a_head_bias_that_does_not_fit_is_refused(head_bias):
    with pytest.raises(ValueError, match="3 finite entries"):
        _tiny(head_bias=head_bias)
