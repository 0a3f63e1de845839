"""The process that makes batches for trainings elsewhere: a service of tf.data with one worker.

Both listen on every address of the machine, and know no passwords: TensorFlow has no other way.
"""

import contextlib
import socket
from collections.abc import Iterator

import tensorflow as tf

# Of a training that has left its last stream: the batches ready for it are then dropped.
_DROPPED_AFTER_MS = 10_000
_LOOKED_AFTER_MS = 2_000


@contextlib.contextmanager
def feeding(host: str, port: int) -> Iterator[str]:
    """Serves while the block lasts, and gives the HOST:PORT that trainings are given.

    Args:
      host: under which trainings reach this machine.
      port: of the service; its worker has the one above. 0 takes two free ones.

    Raises:
      ValueError: if a port is taken.
    """
    ports = (port, port + 1) if port else (0, 0)
    for number in ports:
        _refuse_taken(number)
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(
        service.DispatcherConfig(
            port=ports[0],
            job_gc_check_interval_ms=_LOOKED_AFTER_MS,
            job_gc_timeout_ms=_DROPPED_AFTER_MS,
        )
    )
    found = int(dispatcher.target.rpartition(":")[2])
    worker = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=f"127.0.0.1:{found}",
            worker_address=f"{host}:%port%",
            port=ports[1],
        )
    )
    try:
        yield f"{host}:{found}"
    finally:
        worker._stop()
        dispatcher._stop()


def _refuse_taken(port: int) -> None:
    """Raises ValueError if another process listens there: TensorFlow would share the port."""
    with contextlib.closing(socket.socket()) as probe:
        # As TensorFlow binds it: what a killed feed had is free at once.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise ValueError(f"--port: {port} cannot be listened at: {error.strerror}") from error
