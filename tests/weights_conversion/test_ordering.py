import threading

import numpy as np
import pytest

from weights_conversion import ordering as module
from weights_conversion.layouts import Layout
from weights_conversion.names.table import Place
from weights_conversion.ordering import ordering

KERNEL = np.arange(24, dtype=np.float32).reshape(4, 3, 2, 1)
TABLE = {name: Place(f"{name}/kernel", Layout.CONVOLUTION) for name in ("a", "b", "c")}
MUCH = 2**20


def test_kernels_are_in_keras_order():
    with ordering({"a": KERNEL}, TABLE, most_bytes=MUCH) as begun:
        found = begun["a/kernel"].result()
    assert list(begun) == ["a/kernel"]
    np.testing.assert_array_equal(found, KERNEL.transpose(2, 3, 1, 0))
    assert found.flags.c_contiguous


@pytest.mark.filterwarnings("error")
def test_what_could_warn_or_repeats_what_is_stored_once_is_left_for_the_account():
    repeated = np.broadcast_to(KERNEL, (1000, *KERNEL.shape))[:, 0]
    tensors = {"a": KERNEL * np.float64(1e300), "b": KERNEL.astype(complex), "c": repeated}
    with ordering(tensors, TABLE, most_bytes=KERNEL.nbytes) as begun:
        assert begun == {}


def test_a_tensor_of_the_wrong_shape_is_an_error_only_for_who_asks():
    with ordering({"a": KERNEL[0], "b": KERNEL}, TABLE, most_bytes=MUCH) as begun:
        with pytest.raises(ValueError, match="axes"):
            begun["a/kernel"].result()
        assert begun["b/kernel"].result().shape == (2, 1, 3, 4)


def test_a_refusal_waits_for_no_more_than_what_is_under_way(monkeypatch):
    going, goes_on, done = threading.Event(), threading.Event(), []

    def slow(layout, tensor):
        going.set()
        goes_on.wait(timeout=60)
        done.append(layout)

    monkeypatch.setattr(module, "_in_order", slow)
    with (
        pytest.raises(ValueError, match="refused"),
        ordering(dict.fromkeys(TABLE, KERNEL), TABLE, most_bytes=MUCH),
    ):
        assert going.wait(timeout=60)
        threading.Timer(0.2, goes_on.set).start()
        raise ValueError("refused")
    assert len(done) == 1
