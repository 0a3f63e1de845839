import keras
import numpy as np
import pytest

from tfcovid.training.optimizer import build_optimizer, warmup_cosine


def build(precision="float32", weight_decay=0.5):
    return build_optimizer(
        learning_rate=0.1,
        weight_decay=weight_decay,
        total_steps=10,
        warmup_steps=0,
        precision=precision,
        initial_loss_scale=1024.0,
    )


def test_warm_up_rises_linearly_to_the_peak_and_cosine_falls_to_zero():
    schedule = warmup_cosine(0.2, total_steps=104, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(105)]
    np.testing.assert_allclose(rates[:5], [0, 0.05, 0.1, 0.15, 0.2], rtol=1e-6)
    np.testing.assert_allclose(rates[54], 0.1, rtol=1e-6)
    assert rates[104] == pytest.approx(0, abs=1e-8)
    assert np.all(np.diff(rates[4:]) < 0)


def test_run_shorter_than_its_warm_up_still_reaches_the_peak():
    schedule = warmup_cosine(0.2, total_steps=6, warmup_steps=50)
    assert max(float(schedule(step)) for step in range(6)) == pytest.approx(0.2)


def test_no_warm_up_starts_at_the_peak():
    assert float(warmup_cosine(0.2, total_steps=6, warmup_steps=0)(0)) == pytest.approx(0.2)


def test_decay_spares_bias_and_batch_norm():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )
    model.layers[0].bias.assign([1.0, 1.0])
    before = {variable.path: variable.numpy() for variable in model.trainable_variables}
    optimizer = build()
    zeros = [keras.ops.zeros_like(variable) for variable in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    moved = {
        variable.name
        for variable in model.trainable_variables
        if not np.array_equal(before[variable.path], variable.numpy())
    }
    assert moved == {"kernel"}


def test_float16_scales_the_loss_and_other_precisions_do_not():
    scaled = build("mixed_float16")
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)
    assert scaled.initial_scale == 1024.0
    assert not isinstance(build("mixed_bfloat16"), keras.optimizers.LossScaleOptimizer)
