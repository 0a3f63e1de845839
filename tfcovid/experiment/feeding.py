"""The processes that make a training's batches: found before it begins, watched while it lasts.

TensorFlow's client of its data service waits for one that is gone for ever, inside the training
step, where no exception of Python reaches. So they are asked from another thread, and where one
does not answer the process ends: what is on the disk is whole, as after any kill.
"""

import contextlib
import os
import re
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
# TensorFlow's own question of a service: who works for it. Its answer holds one text for each.
_QUESTION = "/tensorflow.data.DispatcherService/GetWorkers"
_WORKER = re.compile(rb"([A-Za-z0-9._-]+):[0-9]+")


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
    hosts = _WORKER.findall(answer)
    host = address.rpartition(":")[0]
    if hosts != [host.encode()]:
        found = ", ".join(other.decode() for other in hosts) or "nothing"
        raise ValueError(
            f"{expected} that calls itself {host}, found {found}; start it with "
            f"--advertised_host={host}"
        )


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
