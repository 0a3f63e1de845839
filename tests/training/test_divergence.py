"""A training whose numbers are none any more ends in that step, and says where it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcovid.training.divergence import (
    DivergedError,
    StopAtDivergence,
    first_not_finite,
    skipped_in_words,
)
from tfcovid.training.optimizer import build_optimizer

STEPS = 6


@keras.saving.register_keras_serializable("tests")
class BrokenGradient(keras.losses.Loss):
    """Finite everywhere, with a gradient that is no number where a label is negative."""

    def call(self, y_true, y_pred):
        wrong = tf.cast(y_true < 0, tf.float32)
        # The square root of 0 is 0; its slope there, times 0, is no number.
        return y_pred[:, 0] ** 2 + tf.sqrt(1.0 - wrong[:, 0] + 0.0 * y_pred[:, 0])


def train(images, labels, *, loss="mse", precision="float32", first_batch=0, scale=2.0**15):
    """Fits one epoch of STEPS batches of two; returns what it raises, the model and the steps."""
    policy = keras.DTypePolicy(precision)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, dtype=policy),
            keras.layers.BatchNormalization(dtype=policy),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    optimizer = build_optimizer(
        learning_rate=1e-3,
        weight_decay=0.0,
        total_steps=100,
        warmup_steps=0,
        precision=precision,
        initial_loss_scale=scale,
    )
    model.compile(optimizer, loss=loss, auto_scale_loss=False)
    watch, steps = StopAtDivergence("1_training", first_epoch=4), []
    watch.first_batch = first_batch
    counting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(1)
    )
    callbacks = [watch, counting]
    try:
        model.fit(
            images,
            labels,
            batch_size=2,
            epochs=2,
            initial_epoch=1,
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
        )
    except DivergedError as error:
        return error, model, len(steps)
    return None, model, len(steps)


def examples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2 * STEPS, 3)).astype(np.float32), np.ones((2 * STEPS, 1), np.float32)


def test_a_sound_training_is_left_alone():
    error, model, steps = train(*examples())
    assert error is None and steps == STEPS
    assert skipped_in_words(model.optimizer, STEPS) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_batch_whose_loss_is_no_number_ends_the_training_in_its_step(value):
    images, labels = examples()
    labels[2 * 3] = value
    error, _, steps = train(images, labels)
    assert steps == 3 and (error.epoch, error.batch, error.first_epoch) == (1, 3, 4)
    assert f"the loss became {value} at epoch 2, batch 4 of 1_training" in str(error)


def test_the_batch_is_counted_from_where_a_resumed_epoch_begins():
    images, labels = examples()
    labels[2 * 3] = np.nan
    error, _, _ = train(images, labels, first_batch=10)
    assert error.batch == 13


def test_a_gradient_that_is_no_number_is_found_in_its_step_though_the_loss_is_finite():
    images, labels = examples()
    labels[2 * 2] = -1.0
    error, model, steps = train(images, labels, loss=BrokenGradient())
    assert steps == 2 and error.batch == 2
    assert error.variable == first_not_finite(model) and error.variable.endswith("kernel")
    assert f"the step left numbers in {error.variable} that are none" in str(error)


def test_float16_skips_such_a_step_and_says_how_many_it_skipped():
    images, labels = examples()
    labels[2 * 2] = -1.0
    error, model, steps = train(
        images, labels, loss=BrokenGradient(), precision="mixed_float16", scale=64.0
    )
    assert error is None and steps == STEPS
    assert skipped_in_words(model.optimizer, STEPS) == (
        "float16: 1 of 6 steps overflowed and were skipped; loss scale 32"
    )


def test_a_loss_scale_that_falls_below_one_ends_the_training():
    images, labels = examples()
    labels[:] = -1.0
    error, _, steps = train(
        images, labels, loss=BrokenGradient(), precision="mixed_float16", scale=4.0
    )
    assert steps == 2 and error.batch == 2  # 4 → 2 → 1 → below it
    assert "the loss scale fell to 0.5: no gradient is finite in float16" in str(error)
