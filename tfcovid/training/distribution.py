"""The processes and devices that share a training, on TensorFlow's own strategies."""

import contextlib
import dataclasses
import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

SLURM = "SLURM_STEP_NODELIST"
SLURM_PORT = 8888
_MOST_TASKS = 1024  # of a node of Slurm


@dataclasses.dataclass(frozen=True)
class Workers:
    """Who takes part in a training, and who of them this process is.

    Attributes:
      strategy: TensorFlow's, or None where this process trains alone on one device.
      index: number of this process, from 0; 0 is the chief, which alone writes.
      count: of processes.
      local: replicas of this process, which shares its part of a batch between them.
    """

    strategy: tf.distribute.Strategy | None = None
    index: int = 0
    count: int = 1
    local: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """How many replicas there are in all processes."""
        return self.count * self.local

    @property
    def own(self) -> range:
        """The numbers of the replicas of this process."""
        return range(self.index * self.local, (self.index + 1) * self.local)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Lets what is built inside belong to all replicas."""
        with contextlib.nullcontext() if self.strategy is None else self.strategy.scope():
            yield

    def spread(self, stream: tf.data.Dataset) -> Any:
        """Gives each element of this process's stream to one of its replicas, in turn."""
        if self.strategy is None:
            return stream
        return self.strategy.distribute_datasets_from_function(lambda _: stream)

    @functools.cached_property
    def total(self) -> Callable[[float], float]:
        """A function that adds a number of each process; all have to call it."""
        if self.strategy is None or self.count == 1:
            return float
        strategy, local = self.strategy, self.local

        @tf.function
        def added(number):
            numbers = strategy.run(lambda one: one, (number,))
            return strategy.reduce(tf.distribute.ReduceOp.SUM, numbers, axis=None) / local

        return lambda number: float(added(tf.constant(number, tf.float64)))

    def any_says(self, asked: bool) -> bool:
        """Returns whether any process says so; all have to ask."""
        return self.total(float(asked)) > 0

    def set_value(self, variable: keras.Variable, value: np.ndarray) -> None:
        """Sets a variable as it would be on one device.

        Of figures, which every replica sums up for itself, the first one takes all.
        """
        held = variable.value
        if self.strategy is None or held.synchronization != tf.VariableSynchronization.ON_READ:
            variable.assign(value)
            return
        for number, part in zip(self.own, held.values, strict=True):
            part.assign(value if number == 0 else np.zeros_like(value))

    def in_words(self) -> str:
        """Returns how the work is shared."""
        process = f"worker {self.index + 1} of {self.count}" if self.count > 1 else "one process"
        return process if self.local == 1 else f"{process}, {self.local} devices each"


def one_device() -> Workers:
    """Returns a process that trains alone."""
    return Workers()


def mirrored() -> Workers:
    """Returns a process that shares each batch between its GPUs, or logical CPUs.

    Raises:
      ValueError: if there are not two of them.
    """
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise ValueError(
            f"--distribute=mirrored: expected two GPUs or more, found {len(gpus)}; leave it out"
        )
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return Workers(strategy, local=len(devices))


def multi_worker() -> Workers:
    """Returns this process as one of those that TF_CONFIG or Slurm names; waits for all of them.

    To be called before TensorFlow computes anything. One that is alone, as the last that is left
    of several may be, shares its batches between its GPUs if it has several.

    Raises:
      ValueError: if neither names them, or this one's address is not to be had.
    """
    resolver = cluster_of(os.environ)
    if count_of(resolver) == 1:
        several = len(tf.config.list_physical_devices("GPU")) > 1
        return mirrored() if several else one_device()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except tf.errors.OpError as error:
        index = int(resolver.task_id)
        address = resolver.cluster_spec().task_address("worker", index)
        raise ValueError(
            f"--distribute=multi_worker: worker {index + 1} cannot begin at {address}, the address "
            f"that it is given ({error.message.splitlines()[0]}); another program may have the "
            "port, or the name be another machine's: name a free port of this one"
        ) from error
    local = strategy.num_replicas_in_sync // count_of(resolver)
    return Workers(strategy, int(resolver.task_id), count_of(resolver), local)


def cluster_of(environment: Mapping[str, str]) -> Any:
    """Returns TensorFlow's resolver of the cluster that the environment names.

    Args:
      environment: of the process. TF_CONFIG, as Kubernetes' training operator sets it, goes before
        the job step of Slurm.

    Raises:
      ValueError: if it names none, or not in the way it should.
    """
    if environment.get("TF_CONFIG"):
        _check_tf_config(environment["TF_CONFIG"])
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if environment.get(SLURM):
        return _of_slurm()
    raise ValueError(
        "--distribute=multi_worker: expected TF_CONFIG in the environment, or a job step of Slurm; "
        "found neither (docs/scale.md has examples)"
    )


def _of_slurm() -> Any:
    """Returns the cluster of a job step of Slurm, whose GPUs are those that each task sees."""
    resolvers = tf.distribute.cluster_resolver
    # It counts GPUs to number the tasks of a node, and fails where there are none.
    slurm = resolvers.SlurmClusterResolver(
        port_base=SLURM_PORT, gpus_per_node=_MOST_TASKS, gpus_per_task=1, auto_set_gpu=False
    )
    spec = slurm.cluster_spec()
    return resolvers.SimpleClusterResolver(
        spec, task_type="worker", task_id=slurm.task_id, rpc_layer="grpc"
    )


def count_of(resolver: Any) -> int:
    """Returns how many processes a cluster has."""
    return len(resolver.cluster_spec().job_tasks("worker"))


def _check_tf_config(text: str) -> None:
    expected = (
        'TF_CONFIG: expected {"cluster": {"worker": ["HOST:PORT", …]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        content = json.loads(text)
        workers, task = content["cluster"]["worker"], content["task"]
        fits = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
        addresses = all(re.fullmatch(r"\S+:\d+", address) for address in workers)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{expected}; found {text[:200]!r}") from error
    if not fits or set(content["cluster"]) != {"worker"}:
        raise ValueError(
            f"{expected}, workers only, an index below their number; found {text[:200]!r}"
        )
    if not addresses or len(set(workers)) < len(workers):
        raise ValueError(
            f"{expected}, each address with its port and none twice; found {text[:200]!r}"
        )


DISTRIBUTIONS: dict[str, Callable[[], Workers]] = {
    "none": one_device,
    "mirrored": mirrored,
    "multi_worker": multi_worker,
}
"""How a training is shared, by --distribute."""
