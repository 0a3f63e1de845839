"""What the Keras backends do each in their own way: gradients, devices, one compiled step."""

import collections
import concurrent.futures
import contextlib

import keras
import numpy as np


def name_of_the_accelerator() -> str:
    """Returns the device that computes by default, in the backend's words."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    return (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].name


def allow_float64() -> None:
    """Lets float64 stay float64, which JAX turns into float32 unless it is told."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)


def on(device: str):
    """Returns the scope in which arrays are made and computed on 'cpu', or on the default."""
    if device != "cpu":
        return contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_device(jax.devices("cpu")[0])
    return keras.device("cpu:0")


def value_and_gradient(function, x):
    """Returns `function(x)` and the gradient of its sum by `x`, NumPy, in their own types."""
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def both(x):
            value, pull_back = jax.vjp(function, x)
            return value, *pull_back(jax.numpy.ones_like(value))

        value, gradient = both(x)
        return np.asarray(value), np.asarray(gradient)
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value.numpy(), tape.gradient(value, x).numpy()


def loss_and_gradients(model, loss, images, labels) -> tuple[float, list[np.ndarray]]:
    """Returns the training loss of a batch and its gradient by every trainable variable."""
    if keras.backend.backend() == "jax":
        import jax

        def loss_of(trained, others):
            logits, _ = model.stateless_call(trained, others, images, training=True)
            return loss(labels, logits)

        variables = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        value, gradients = jax.jit(jax.value_and_grad(loss_of))(variables, others)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
    return float(value), [np.asarray(gradient, np.float64) for gradient in gradients]


def compiled_step(model, images, labels):
    """Returns a function that takes one training step of a compiled model on the batch.

    On JAX nothing is copied from or to the host in it: `as_numbers` waits for what it returns.
    """
    model.train_on_batch(images, labels)  # Builds the optimizer and the metrics.
    if keras.backend.backend() != "jax":
        return lambda: model.train_on_batch(images, labels, return_dict=True)
    import jax

    step = jax.jit(model.train_step, donate_argnums=0)
    kinds = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    # Copies, as the step gives its arguments' memory to its results.
    state = tuple([jax.numpy.array(v.value) for v in variables] for variables in kinds)
    images, labels = jax.device_put((images, labels))

    def advance():
        nonlocal state
        logs, state = step(state, (images, labels))
        return logs

    return advance


def put_ahead(batches, ahead: int = 2):
    """Yields the batches, on JAX with the next ones on their way to the device already.

    Keras' `fit` on JAX copies a batch when its step begins, and the device waits for it.
    """
    if keras.backend.backend() != "jax":
        yield from batches
        return
    import jax

    batches = iter(batches)
    coming = collections.deque()

    def put():
        return jax.device_put(tuple(np.asarray(part) for part in next(batches)))

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        while True:
            while len(coming) <= ahead:
                coming.append(thread.submit(put))
            yield coming.popleft().result()


def as_numbers(logs) -> dict[str, float]:
    """Returns what a step said, once it is computed."""
    return {name: float(value) for name, value in logs.items()}
