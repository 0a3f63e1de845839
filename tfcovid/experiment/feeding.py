"""The processes that make a training's batches: found before it begins, watched while it lasts.

TensorFlow's client of its data service waits for one that is gone for ever, inside the training
step, where no exception of Python reaches. So they are asked from another thread, and where one
does not answer the process ends: what is on the disk is whole, as after any kill.
"""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import rich.console

from flags.config import Config
from flags.distribution_flags import Sharing
from tfcovid.console import say

_ASKED_EVERY_S = 1.0
_ANSWERS_WITHIN_S = 10.0
_TRIES = 2
# TensorFlow's own question of a service: who works for it.
_QUESTION = "/tensorflow.data.DispatcherService/GetWorkers"
_FIRST_FIELD = 0x0A  # of a message of Protocol Buffers: the first field, a text or a message


def open_feeds(config: Config, sharing: Sharing, console: rich.console.Console) -> tuple[str, ...]:
    """Returns the addresses of what makes the training batches; all of them answer.

    Raises:
      ValueError: if nothing is trained on batches, or one is no `tfcovid.feed` that can be reached.
    """
    feeds = sharing.data_service
    if feeds and config.model.trees_alone:
        raise ValueError("--data_service with boosted_trees alone: no batches are trained on")
    for address in feeds:
        _refuse_other(address)
    if feeds:
        say(console, f"batches: made in turn by {', '.join(feeds)}")
    return feeds


def _refuse_other(address: str) -> None:
    with _asking(address) as ask:
        answer = _answer(ask)
    expected = f"--data_service={address}: expected a running `python -m tfcovid.feed`"
    if answer is None:
        raise ValueError(f"{expected}, found none that answers")
    workers = workers_of(answer)
    hosts = [worker.rpartition(":")[0] for worker in workers]
    host = address.rpartition(":")[0]
    if hosts != [host]:
        raise ValueError(
            f"{expected} that calls itself {host}, found {', '.join(hosts) or 'nothing'}; start it "
            f"with --advertised_host={host}"
        )
    port = int(workers[0].rpartition(":")[2])
    try:
        socket.create_connection((host, port), timeout=_ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise ValueError(
            f"{expected} that gives batches at port {port}, the one above; it cannot be reached "
            f"there ({error}): open that port too"
        ) from error


def workers_of(answer: bytes) -> list[str]:
    """Returns the HOST:PORT of each worker in the answer of a service.

    Args:
      answer: a message of a repeated message, whose first field is the address.
    """
    found = []
    while answer:
        worker, answer = _first_field(answer)
        found.append(_first_field(worker)[0].decode())
    return found


def _first_field(message: bytes) -> tuple[bytes, bytes]:
    """Returns the content of the first field of a message, and what stands behind it."""
    size, at = 0, 1
    if message[0] != _FIRST_FIELD:
        raise ValueError("expected the answer of a service of tf.data, found another")
    for shift in range(0, 35, 7):  # a number in groups of seven bits, the lowest first
        size |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            break
    return message[at : at + size], message[at + size :]


@contextlib.contextmanager
def watched(feeds: Sequence[str], end: Callable[[str], None] | None = None) -> Iterator[None]:
    """Looks after the feeds while the block lasts.

    Args:
      feeds: their addresses.
      end: called from another thread with one line if one of them is gone; by default it prints the
        line and ends the process with exit code 1.
    """
    over = threading.Event()
    # One that works hard answers late: each has a thread, so that it holds up no other.
    threads = [
        threading.Thread(target=_watch, args=(address, over, end or _end), daemon=True)
        for address in feeds
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()


def _watch(address: str, over: threading.Event, end: Callable[[str], None]) -> None:
    with _asking(address) as ask:
        while not over.wait(_ASKED_EVERY_S):
            if _answer(ask) is None and not over.is_set():
                end(
                    f"--data_service={address}: the feed there is gone; start it again, and the "
                    "training with --resume: it goes on from the last snapshot"
                )
                return


def _end(line: str) -> None:
    """Ends the process with one line: the main thread may never come back from a step."""
    sys.stdout.flush()
    print(f"error: {line}", file=sys.stderr, flush=True)
    os._exit(1)


@contextlib.contextmanager
def _asking(address: str) -> Iterator[Callable[[], bytes]]:
    """Gives a function that asks a service; it raises grpc.RpcError where there is no answer."""
    import grpc  # comes with TensorFlow, which speaks it too

    with grpc.insecure_channel(address) as channel:
        question = channel.unary_unary(_QUESTION)
        yield lambda: question(b"", timeout=_ANSWERS_WITHIN_S)


def _answer(ask: Callable[[], bytes]) -> bytes | None:
    """Returns what a service answers, None for nothing, asked twice."""
    import grpc

    for _ in range(_TRIES):
        with contextlib.suppress(grpc.RpcError):
            return ask()
    return None
