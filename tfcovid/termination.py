"""SIGTERM, by which schedulers end a job: at once, or as soon as a training is safe on the disk."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

EXIT_CODE = 128 + signal.SIGTERM


class TerminatedError(BaseException):
    """The process was told to end by SIGTERM."""


class _Watch:
    def __init__(self) -> None:
        self.asked = False
        self.deferred = False

    def on_signal(self, *_: object) -> None:
        self.asked = True
        if not self.deferred:
            raise TerminatedError


_watch = _Watch()


def watch() -> None:
    """Makes SIGTERM raise TerminatedError from now on, outside `deferred`."""
    signal.signal(signal.SIGTERM, _watch.on_signal)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether SIGTERM came; it raises only when the block ends.

    Raises:
      TerminatedError: at the end of the block, if it came.
    """
    _watch.deferred = threading.current_thread() is threading.main_thread()
    try:
        yield lambda: _watch.asked
    finally:
        _watch.deferred = False
    if _watch.asked:
        raise TerminatedError
