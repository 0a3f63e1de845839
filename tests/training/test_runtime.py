import keras
import pytest

from tfcovid.training import runtime


@pytest.fixture(autouse=True)
def _restore_policy():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("capability", "instructions", "expected"),
    [
        ((9, 0), frozenset(), "mixed_bfloat16"),
        ((8, 0), frozenset(), "mixed_bfloat16"),
        ((7, 5), frozenset({"amx_bf16"}), "mixed_float16"),
        ((6, 1), frozenset({"amx_bf16"}), "float32"),
        (None, frozenset({"avx512_bf16", "avx2"}), "mixed_bfloat16"),
        (None, frozenset({"amx_bf16"}), "mixed_bfloat16"),
        (None, frozenset({"avx2", "avx512f"}), "float32"),
        (None, frozenset(), "float32"),
    ],
)
def test_precision_is_what_the_weakest_device_multiplies_natively(
    capability, instructions, expected
):
    precision, reason = runtime.choose_precision(capability, instructions)
    assert precision == expected
    assert reason


def test_precision_asked_for_is_in_force_and_said():
    configured = runtime.configure(seed=3, precision="mixed_float16")
    assert keras.mixed_precision.dtype_policy().name == "mixed_float16"
    assert configured.precision == "mixed_float16"
    assert "--precision" in configured.reason


def test_a_precision_that_is_slower_here_than_float32_is_said_to_be():
    none = runtime.choose_precision(None, frozenset())
    said = runtime.reason_of_wish("mixed_bfloat16", *none)
    assert said.startswith("asked for by --precision; float32 is faster here, as the CPU has none")
    assert runtime.reason_of_wish("float32", *none) == "asked for by --precision"
    fast = runtime.choose_precision(None, frozenset({"avx512_bf16"}))
    for wished in ("float32", "mixed_bfloat16"):
        assert runtime.reason_of_wish(wished, *fast) == "asked for by --precision"


def test_one_seed_gives_one_initial_kernel():
    kernels = []
    for _ in range(2):
        runtime.configure(seed=5, precision="float32")
        layer = keras.layers.Dense(7)
        layer.build((None, 3))
        kernels.append(keras.ops.convert_to_numpy(layer.kernel))
    assert (kernels[0] == kernels[1]).all()
