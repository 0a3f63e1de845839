"""Half precision: float32 logits, and a loss scale that recovers from an overflow."""

import keras
import numpy as np
import pytest

from tfcovid.losses.focal import SoftmaxFocal
from tfcovid.models.classifier import as_float32, build_classifier
from tfcovid.training.callbacks import optimizer_state
from tfcovid.training.optimizer import build_optimizer


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def precision(request):
    keras.mixed_precision.set_dtype_policy(request.param)
    yield request.param
    keras.mixed_precision.set_dtype_policy("float32")


def build(precision, initial_loss_scale=1024.0):
    keras.utils.set_random_seed(0)
    model = build_classifier(backbone="tiny", num_outputs=3, image_size=16, channels=1)
    model.compile(
        build_optimizer(
            learning_rate=1e-2,
            weight_decay=0.0,
            total_steps=100,
            warmup_steps=0,
            precision=precision,
            initial_loss_scale=initial_loss_scale,
        ),
        loss=SoftmaxFocal(gamma=2.0, sparse=True),
        auto_scale_loss=False,
    )
    return model


def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 16, 16, 1)).astype(np.float32), np.arange(12) % 3


def test_logits_are_float32_while_the_backbone_is_half(precision):
    model = build(precision)
    images, _ = batch()
    assert keras.backend.standardize_dtype(model(images).dtype) == "float32"
    half = precision.removeprefix("mixed_")
    features = model.get_layer("backbone")(images)
    assert keras.backend.standardize_dtype(features.dtype) == half
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)


def test_overflow_is_skipped_and_recovered_from():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = build("mixed_float16", initial_loss_scale=2.0**40)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    images, labels = batch()
    before = [variable.numpy() for variable in model.trainable_variables]
    model.train_on_batch(images, labels)
    assert optimizer_state(model.optimizer)["loss_scale"] == 2.0**39
    for old, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    losses = [float(model.train_on_batch(images, labels)) for _ in range(60)]
    assert optimizer_state(model.optimizer)["loss_scale"] < 2.0**30
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.5 * losses[0]
    assert all(np.isfinite(variable.numpy()).all() for variable in model.variables)


def test_half_precision_training_stays_near_float32(precision):
    images, labels = batch()
    half = build(precision)
    keras.mixed_precision.set_dtype_policy("float32")
    full = build("float32")
    for _ in range(10):
        loss_half = float(half.train_on_batch(images, labels))
        loss_full = float(full.train_on_batch(images, labels))
    assert loss_half == pytest.approx(loss_full, rel=0.05)


def test_float32_copy_gives_the_same_logits(precision):
    images, labels = batch()
    model = build(precision)
    for _ in range(3):
        model.train_on_batch(images, labels)
    copy = as_float32(model)
    tolerance = {"mixed_float16": 5e-3, "mixed_bfloat16": 5e-2}[precision]
    np.testing.assert_allclose(copy(images), model(images), atol=tolerance)
    layers = copy.get_layer("backbone").layers[1:]  # the input has the dtype of what comes
    assert {layer.compute_dtype for layer in layers} == {"float32"}
