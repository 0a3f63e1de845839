"""Kernels put in Keras' order by a thread, while the network that takes them is built."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from weights_conversion import keras_network
from weights_conversion.names.table import Place


@contextlib.contextmanager
def ordering(
    tensors: Mapping[str, np.ndarray], table: Mapping[str, Place], *, most_bytes: int
) -> Iterator[dict[str, Future[np.ndarray]]]:
    """Begins with the float32 kernels and gives what is under way, for `keras_network.start_at`.

    Nothing has been looked at by the account yet, so nothing is done that could warn or take much
    memory: a type that needs rounding is left out, and tensors are taken to `most_bytes` in all,
    since a view can repeat what is stored once. What is not needed when the block ends is not done.

    Args:
      tensors: name -> array of the checkpoint.
      table: name of a tensor -> its place; not all are there.
      most_bytes: size of the checkpoint's file.

    Yields:
      Variable name -> its value `keras_network.in_order`.
    """
    pool = ThreadPoolExecutor(1)
    begun, total = {}, 0
    try:
        for name, place in table.items():
            tensor = tensors.get(name)
            if tensor is None or tensor.dtype != np.float32 or tensor.ndim < 2:
                continue
            total += tensor.nbytes
            if total > most_bytes:
                break
            begun[place.variable] = pool.submit(_in_order, place.layout, tensor)
        yield begun
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(layout, tensor):
    return keras_network.in_order(layout.to_keras(tensor), "float32")
