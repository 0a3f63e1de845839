"""Seeds, numeric precision and devices: what a run stands on, and why."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

import keras
import tensorflow as tf

from tfcovid.cpu import cpu_instructions

# The instructions a CPU must have before bfloat16 is faster than float32 on it.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")

# Compute capability from which a GPU multiplies in this precision on its tensor cores.
# Source: NVIDIA CUDA C++ Programming Guide, table "Feature Support per Compute Capability".
GPU_BFLOAT16_CAPABILITY = (8, 0)
GPU_FLOAT16_CAPABILITY = (7, 0)


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What was set up, in the words that the terminal and the run's record use.

    Attributes:
      precision: name of the Keras dtype policy in force.
      reason: why that precision, in one clause.
      devices: what trains, one description each.
      jit_compile: whether XLA compiles the training step.
    """

    precision: str
    reason: str
    devices: tuple[str, ...]
    jit_compile: bool


def configure(*, seed: int, precision: str) -> Runtime:
    """Seeds every generator, sets the precision, and says what this machine trains on.

    Args:
      seed: seed of Python's, NumPy's and Keras' generators, >= 0.
      precision: 'auto', 'float32', 'mixed_float16' or 'mixed_bfloat16'.

    Returns:
      The Runtime in force.
    """
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    chosen, reason = choose_precision(gpu_capability(gpus), cpu_instructions())
    if precision != "auto":
        chosen, reason = precision, reason_of_wish(precision, chosen, reason)
    keras.mixed_precision.set_dtype_policy(chosen)
    return Runtime(
        precision=chosen,
        reason=reason,
        devices=describe_devices(gpus),
        # XLA makes a step slower on a CPU: benchmarks/step_variants.py, docs/results.md.
        jit_compile=bool(gpus),
    )


@contextlib.contextmanager
def configured(*, seed: int, precision: str) -> Iterator[Runtime]:
    """Gives the Runtime of `configure`; the precision of before is in force again afterwards."""
    before = keras.config.dtype_policy()
    try:
        yield configure(seed=seed, precision=precision)
    finally:
        keras.config.set_dtype_policy(before)


def choose_precision(
    capability: tuple[int, int] | None, instructions: frozenset[str]
) -> tuple[str, str]:
    """Returns the fastest precision this machine multiplies natively, and why.

    Args:
      capability: compute capability of the weakest GPU, or None without a GPU.
      instructions: the CPU's feature flags as Linux spells them.

    Returns:
      A Keras dtype policy name and the reason for it.
    """
    if capability is not None:
        version = f"{capability[0]}.{capability[1]}"
        if capability >= GPU_BFLOAT16_CAPABILITY:
            return "mixed_bfloat16", f"the GPU has bfloat16 (compute capability {version})"
        if capability >= GPU_FLOAT16_CAPABILITY:
            return "mixed_float16", f"the GPU has float16 only (compute capability {version})"
        return "float32", f"the GPU has no fast half precision (compute capability {version})"
    found = [name for name in BFLOAT16_INSTRUCTIONS if name in instructions]
    if found:
        return "mixed_bfloat16", f"the CPU has {found[0]}"
    return "float32", f"the CPU has none of {', '.join(BFLOAT16_INSTRUCTIONS)}"


def reason_of_wish(wished: str, fastest: str, reason: str) -> str:
    """Returns why a precision that was asked for is in force, and where it is a slow one, that.

    Without its instructions a CPU computes bfloat16 by float32, several times slower than that.

    Args:
      wished: a Keras dtype policy name.
      fastest: what `choose_precision` chooses here.
      reason: why.
    """
    if fastest == "float32" != wished:
        return f"asked for by --precision; float32 is faster here, as {reason}"
    return "asked for by --precision"


def gpu_capability(gpus) -> tuple[int, int] | None:
    """Returns the compute capability of the weakest GPU, or None without one."""
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return min((d.get("compute_capability", (0, 0)) for d in details), default=None)


def describe_devices(gpus) -> tuple[str, ...]:
    """Returns a line for each GPU, or one for the CPU with its number of cores."""
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
        return tuple(name or gpu.name for name, gpu in zip(names, gpus, strict=True))
    return (f"CPU with {usable_cores()} cores",)


def usable_cores() -> int:
    """Returns how many cores this process may use, which in a container is not all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
