"""The learning rate of --schedule=plateau, step by step and epoch by epoch."""

import keras
import numpy as np
import pytest

from tfcovid.training.optimizer import build_optimizer
from tfcovid.training.plateau import WarmUpThenPlateau

PEAK = 0.08


def rates(figures, *, warmup_steps=0, steps=4, precision="float32"):
    """Returns the rate of each step of epochs whose selection figures are given."""
    model = keras.Sequential([keras.layers.Dense(1)])
    optimizer = build_optimizer(
        learning_rate=PEAK,
        weight_decay=0.0,
        total_steps=100,
        warmup_steps=warmup_steps,
        precision=precision,
        initial_loss_scale=8.0,
        schedule="plateau",
    )
    model.compile(optimizer=optimizer, loss="mse", auto_scale_loss=False)
    seen = []
    callback = WarmUpThenPlateau(learning_rate=PEAK, warmup_steps=warmup_steps)
    callback.set_model(model)
    for epoch, figure in enumerate(figures):
        for batch in range(steps):
            callback.on_train_batch_begin(batch)
            seen.append(float(model.optimizer.learning_rate))
        callback.on_epoch_end(epoch, {"val_macro_log_loss": figure})
    return np.array(seen).reshape(len(figures), steps)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_rate_is_divided_by_ten_after_each_epoch_that_is_not_the_best(precision):
    found = rates([0.9, 0.8, 0.85, 0.79, 0.79, 0.81], precision=precision)
    expected = [PEAK, PEAK, PEAK, PEAK / 10, PEAK / 10, PEAK / 100]
    np.testing.assert_allclose(found, np.repeat(expected, 4).reshape(6, 4), rtol=1e-5)


def test_it_rises_linearly_to_the_peak_and_warm_up_never_is_a_standstill():
    found = rates([0.9, 0.95, 0.99, 0.8], warmup_steps=6)
    steps = np.minimum(np.arange(16) / 6, 1) * PEAK
    steps[8:] = PEAK / 10  # the second epoch ends behind the warm-up, and is not the best
    steps[12:] = PEAK / 100
    np.testing.assert_allclose(found.ravel(), steps, rtol=1e-5)


def test_weight_decay_0_is_adam():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))
    start, ends = None, []
    for optimizer in (
        build_optimizer(
            learning_rate=PEAK,
            weight_decay=0.0,
            total_steps=5,
            warmup_steps=0,
            precision="float32",
            initial_loss_scale=1.0,
            schedule="plateau",
        ),
        keras.optimizers.Adam(PEAK),
    ):
        model = keras.Sequential(
            [keras.Input((3,), dtype="float64"), keras.layers.Dense(1, dtype="float64")]
        )
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile(optimizer=optimizer, loss="mse")
        model.fit(x, y, epochs=3, batch_size=8, verbose=0, shuffle=False)
        ends.append(model.get_weights())
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.abs(ends[0][0] - start[0]).max() > 0.1
