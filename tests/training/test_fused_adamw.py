import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.graph_nodes import nodes, operations
from tfcovid.training.fused_adamw import AdamW
from tfcovid.training.optimizer import build_optimizer

SHAPES = ((3, 3, 4, 8), (8,), (8, 5), ())
NAMES = ("kernel", "bias", "other", "scale")
STEPS = 7
SETTINGS = {"learning_rate": 0.03, "weight_decay": 0.2, "epsilon": 1e-5}


def variables_of(dtype):
    rng = np.random.default_rng(0)
    return [
        keras.Variable(rng.normal(size=shape), dtype=dtype, name=name)
        for shape, name in zip(SHAPES, NAMES, strict=True)
    ]


def gradients_of(step, dtype):
    rng = np.random.default_rng(step + 1)
    return [tf.constant(rng.normal(size=shape), dtype) for shape in SHAPES]


def after_steps(optimizer_class, dtype, in_graph, wrap=lambda one: one, **settings):
    """Returns variables and moments after STEPS steps under a schedule, and a step's graph."""
    schedule = keras.optimizers.schedules.CosineDecay(SETTINGS["learning_rate"], 2 * STEPS)
    inner = optimizer_class(**{**SETTINGS, "learning_rate": schedule, **settings})
    inner.exclude_from_weight_decay(var_names=["bias"])
    optimizer, variables = wrap(inner), variables_of(dtype)
    optimizer.build(variables)

    def apply(gradients):
        optimizer.apply(gradients, variables)

    step = tf.function(apply) if in_graph else apply
    for number in range(STEPS):
        step(gradients_of(number, dtype))
    made = operations(step.get_concrete_function(gradients_of(0, dtype))) if in_graph else set()
    return [one.numpy() for one in (*variables, *inner.variables[1:])], made


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
def test_weights_and_moments_are_those_of_keras(dtype, rtol, in_graph):
    expected, _ = after_steps(keras.optimizers.AdamW, dtype, in_graph)
    found, made = after_steps(AdamW, dtype, in_graph)
    assert len(found) == 3 * len(SHAPES)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10)
    assert not in_graph or "ResourceApplyAdam" in made


def test_under_a_loss_scale_too():
    def scaled(optimizer):
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)

    expected, _ = after_steps(keras.optimizers.AdamW, "float32", True, scaled)
    found, made = after_steps(AdamW, "float32", True, scaled)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)
    assert "ResourceApplyAdam" in made


def test_amsgrad_is_left_to_keras():
    expected, _ = after_steps(keras.optimizers.AdamW, "float32", True, amsgrad=True)
    found, made = after_steps(AdamW, "float32", True, amsgrad=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "ResourceApplyAdam" not in made


def test_several_steps_in_one_graph_each_have_their_own_power():
    def three_steps(optimizer_class):
        variables = variables_of("float64")
        optimizer = optimizer_class(**SETTINGS)
        optimizer.build(variables)

        @tf.function
        def steps():
            for number in range(3):
                optimizer.apply(gradients_of(number, "float64"), variables)

        steps()
        return [one.numpy() for one in variables]

    for one, other in zip(three_steps(AdamW), three_steps(keras.optimizers.AdamW), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_step_asks_the_schedule_and_takes_powers_once_and_not_for_each_variable():
    variables = variables_of("float32")
    optimizer = build_optimizer(
        learning_rate=0.1,
        weight_decay=0.1,
        total_steps=9,
        warmup_steps=2,
        precision="float32",
        initial_loss_scale=1.0,
    )
    optimizer.build(variables)
    step = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    made = [node.op for node in nodes(step.get_concrete_function(gradients_of(0, "float32")))]
    assert made.count("ResourceApplyAdam") == len(SHAPES)
    assert made.count("Pow") == 2
    assert made.count("StatelessIf") + made.count("If") == 2  # for the decay, and for the step


def test_inside_a_strategy_the_step_is_that_of_none():
    def step_of(strategy):
        with strategy.scope():
            variables = variables_of("float64")
            optimizer = AdamW(**SETTINGS)
            optimizer.build(variables)

        @tf.function
        def step():
            strategy.run(lambda: optimizer.apply(gradients_of(0, "float64"), variables))

        assert "ResourceApplyAdam" in operations(step.get_concrete_function())
        step()
        step()
        return [one.numpy() for one in variables]

    shared = step_of(tf.distribute.MirroredStrategy(["CPU:0"]))
    for one, other in zip(shared, step_of(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_step_that_the_loss_scale_skips_leaves_weights_and_moments_alone():
    variables = variables_of("float32")
    inner = AdamW(**SETTINGS)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    optimizer.build(variables)
    optimizer.apply(gradients_of(0, "float32"), variables)
    before = [one.numpy() for one in (*variables, *inner.variables[2:])]
    gradients = gradients_of(1, "float32")
    gradients[1] *= np.inf
    optimizer.apply(gradients, variables)
    after = [one.numpy() for one in (*variables, *inner.variables[2:])]
    for one, other in zip(after, before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(optimizer.dynamic_scale) == 4.0


@pytest.mark.parametrize(
    "settings", [{"gradient_accumulation_steps": 2}, {"use_ema": True}, {"clipnorm": 0.5}]
)
def test_what_keras_does_around_a_step_stays(settings):
    expected, _ = after_steps(keras.optimizers.AdamW, "float32", True, **settings)
    found, _ = after_steps(AdamW, "float32", True, **settings)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_sparse_gradients_are_those_of_keras():
    def rows(optimizer_class):
        variable = keras.Variable(np.ones((6, 3)), dtype="float32", name="rows")
        optimizer = optimizer_class(**SETTINGS)
        gradient = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 4]), tf.constant([6, 3]))
        optimizer.apply([gradient], [variable])
        return variable.numpy()

    np.testing.assert_array_equal(rows(AdamW), rows(keras.optimizers.AdamW))
