"""Every form against the float64 oracle: values, gradients, and what happens far out."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.losses import oracle
from tests.losses.gradients import value_and_gradient
from tfcovid.losses.focal import sigmoid_focal_loss, softmax_focal_loss, sparse_softmax_focal_loss

GAMMAS = (0.0, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.5, 2.0, 5.0)
NUM_CLASSES = 4

# Computation is in float32 for half precision; only the result is rounded to it.
GRADIENT_TOLERANCE = {"float16": 2e-3, "bfloat16": 1e-2, "float32": 2e-5, "float64": 1e-12}
SMALLEST_NORMAL = {
    "float16": 2.0**-14,
    "bfloat16": 2.0**-126,
    "float32": 2.0**-126,
    "float64": 2.0**-1022,
}


def assert_gradient_is_right(gradient, expected, size, dtype):
    """Holds every entry above the dtype's smallest normal number to the oracle.

    `size` is the sum of the absolute terms: with soft labels they cancel, and
    what is left is only as accurate as they are.
    """
    tiny = SMALLEST_NORMAL[dtype]
    gradient = gradient.astype(np.float64)
    assert np.all(np.isfinite(gradient))
    held = np.abs(expected) > tiny
    error = np.abs(gradient - expected)[held]
    np.testing.assert_array_less(error, GRADIENT_TOLERANCE[dtype] * size[held])


def rounded(logits, dtype):
    return tf.cast(logits, dtype).numpy().astype(np.float64)


@pytest.mark.parametrize("dtype", GRADIENT_TOLERANCE)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_sigmoid_gradient_matches_oracle_over_all_logits(dtype, gamma, alpha):
    logits = rounded(np.r_[np.linspace(-100, 100, 4001), -88.0, -87.0, 87.0, 88.0, 0.0], dtype)
    for label in (0, 1):
        labels = np.full_like(logits, label)
        loss = functools.partial(sigmoid_focal_loss, gamma=gamma, alpha=alpha)
        _, gradient = value_and_gradient(loss, labels, logits, dtype)
        _, expected, size = oracle.sigmoid(
            labels[:, None], logits[:, None], gamma=gamma, alpha=alpha
        )
        assert_gradient_is_right(gradient[:, None], expected, size, dtype)


@pytest.mark.parametrize("dtype", GRADIENT_TOLERANCE)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_softmax_gradient_matches_oracle_far_out(dtype, gamma, label_smoothing):
    corners = np.array(list(itertools.product((-100.0, 0.0, 100.0), repeat=NUM_CLASSES)))
    rng = np.random.default_rng(0)
    logits = rounded(np.r_[corners, rng.uniform(-100, 100, (500, NUM_CLASSES))], dtype)
    labels = rng.integers(0, NUM_CLASSES, len(logits))
    loss = functools.partial(
        sparse_softmax_focal_loss, gamma=gamma, label_smoothing=label_smoothing
    )
    _, gradient = value_and_gradient(loss, labels, logits, dtype)
    _, expected, size = oracle.softmax(
        np.eye(NUM_CLASSES)[labels], logits, gamma=gamma, label_smoothing=label_smoothing
    )
    assert_gradient_is_right(gradient, expected, size, dtype)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_softmax_gradient_keeps_the_last_normal_number(gamma):
    gap = np.linspace(85, 89, 2001)
    logits = np.stack([gap, np.zeros_like(gap), -gap], axis=1).astype(np.float32)
    for label in range(3):
        labels = np.full(len(gap), label)
        loss = functools.partial(sparse_softmax_focal_loss, gamma=gamma)
        _, gradient = value_and_gradient(loss, labels, logits)
        _, expected, size = oracle.softmax(np.eye(3)[labels], logits, gamma=gamma)
        assert_gradient_is_right(gradient, expected, size, "float32")


@pytest.mark.parametrize("dtype", GRADIENT_TOLERANCE)
@pytest.mark.parametrize("gamma", GAMMAS)
def test_wrong_by_100_logits_never_has_gradient_zero(dtype, gamma):
    far = np.array([-100.0, 100.0])
    _, gradient = value_and_gradient(
        functools.partial(sigmoid_focal_loss, gamma=gamma), np.array([1, 0]), far, dtype
    )
    np.testing.assert_allclose(gradient.astype(np.float64), [-1, 1], rtol=1e-6)
    _, gradient = value_and_gradient(
        functools.partial(sparse_softmax_focal_loss, gamma=gamma),
        np.array([1, 0]),
        np.array([[100.0, 0.0, 0.0], [0.0, 0.0, 100.0]]),
        dtype,
    )
    np.testing.assert_allclose(
        gradient[[0, 0, 1, 1], [1, 0, 0, 2]].astype(np.float64), [-1, 1, -1, 1], rtol=1e-6
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_compiled_gradient_equals_eager(gamma, compiled):
    rng = np.random.default_rng(1)
    logits = rng.uniform(-100, 100, (64, NUM_CLASSES)).astype(np.float32)
    labels = rng.integers(0, NUM_CLASSES, 64)

    @tf.function(jit_compile=compiled)
    def graph(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = sparse_softmax_focal_loss(labels, values, gamma=gamma)
        return loss, tape.gradient(loss, values)

    loss, gradient = graph(tf.constant(logits))
    expected_loss, expected, size = oracle.softmax(np.eye(NUM_CLASSES)[labels], logits, gamma=gamma)
    held = expected_loss > np.finfo(np.float32).tiny
    np.testing.assert_allclose(loss.numpy()[held], expected_loss[held], rtol=2e-5)
    assert_gradient_is_right(gradient.numpy(), expected, size, "float32")


hyper_parameters = {
    # As float32 has them: 0.9 itself is not a float32, and q^gamma shows it for q of 1e-18.
    "gamma": st.sampled_from([float(np.float32(gamma)) for gamma in GAMMAS]),
    "label_smoothing": st.sampled_from([0.0, 0.1, 0.5]),
    "scale": st.sampled_from([0.1, 1.0, 5.0, 20.0, 50.0]),
    "seed": st.integers(0, 2**32 - 1),
}


def assert_close_to_1e_6(loss, expected, gamma):
    # The power multiplies the rounding of float32 1 - p by gamma: 1e-6 is met up to gamma 2.
    # A row sums a few outputs, and a CPU takes those below the smallest normal number for zero.
    smallest = SMALLEST_NORMAL["float32"]
    held = expected > smallest
    np.testing.assert_allclose(
        loss[held], expected[held], rtol=1e-6 * max(1, gamma / 2), atol=2 * smallest
    )


@settings(deadline=None, max_examples=100)
@given(alpha=st.sampled_from([None, 0.25, (0.1, 0.5, 0.9)]), **hyper_parameters)
@example(alpha=0.25, gamma=2.0, label_smoothing=0.0, scale=50.0, seed=377)
def test_sigmoid_value_matches_oracle_to_1e_6(gamma, alpha, label_smoothing, scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (32, 3)).astype(np.float32)
    labels = rng.integers(0, 2, (32, 3))
    options = {"gamma": gamma, "alpha": alpha, "label_smoothing": label_smoothing}
    loss = sigmoid_focal_loss(labels, logits, **options).numpy()
    assert_close_to_1e_6(loss, oracle.sigmoid(labels, logits, **options)[0], gamma)


@settings(deadline=None, max_examples=100)
@given(alpha=st.sampled_from([None, (0.3, 1.0, 2.0, 4.0)]), **hyper_parameters)
def test_softmax_value_matches_oracle_to_1e_6(gamma, alpha, label_smoothing, scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (32, NUM_CLASSES)).astype(np.float32)
    labels = np.eye(NUM_CLASSES)[rng.integers(0, NUM_CLASSES, 32)]
    options = {"gamma": gamma, "alpha": alpha, "label_smoothing": label_smoothing}
    loss = softmax_focal_loss(labels, logits, **options).numpy()
    assert_close_to_1e_6(loss, oracle.softmax(labels, logits, **options)[0], gamma)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_oracle_gradient_is_the_derivative_of_the_oracle_value(gamma):
    rng = np.random.default_rng(2)
    logits, step = rng.normal(0, 2, (8, 3)), 1e-6
    labels = np.eye(3)[rng.integers(0, 3, 8)]
    for form in (oracle.sigmoid, oracle.softmax):
        for k in range(3):
            move = step * np.eye(3)[k]
            up = form(labels, logits + move, gamma=gamma)[0]
            down = form(labels, logits - move, gamma=gamma)[0]
            np.testing.assert_allclose(
                form(labels, logits, gamma=gamma)[1][:, k], (up - down) / (2 * step), atol=1e-8
            )


def test_softmax_of_two_classes_equals_sigmoid_of_their_difference():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (32, 2))
    labels = rng.integers(0, 2, 32)
    np.testing.assert_allclose(
        sparse_softmax_focal_loss(labels, logits, gamma=1.3).numpy(),
        sigmoid_focal_loss(labels, logits[:, 1] - logits[:, 0], gamma=1.3).numpy(),
        rtol=1e-12,
    )


def test_logits_that_are_nan_give_loss_nan():
    loss = sparse_softmax_focal_loss([0, 1], np.array([[np.nan, 0.0], [1.0, 2.0]]), gamma=2.0)
    np.testing.assert_array_equal(np.isnan(loss.numpy()), [True, False])
