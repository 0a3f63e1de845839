"""Request batching: images that arrive together are one call of the model."""

import asyncio
import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcovid.serving.incoming import Row

# Arrays; of strings that have no axis beside the batch, bytes.
Outputs = Mapping[str, Any]
Call = Callable[[str, Sequence[Any]], Sequence[Outputs]]


@dataclasses.dataclass(frozen=True, eq=False)
class _Waiting:
    """An image that waits for its call: of which signature, and what takes its answer."""

    signature: str
    row: Row
    answer: "asyncio.Future[Outputs]"

    @property
    def key(self) -> tuple:
        """What images of one call have in common."""
        return self.signature, self.row.shape


class RowError(Exception):
    """The model failed on one image.

    Args:
      index: of the image in its request.
      reason: what the model raised.
    """

    def __init__(self, index: int, reason: BaseException):
        super().__init__(f"image {index}: {reason}")
        self.index, self.reason = index, reason


class Batcher:
    """Calls a model on images of many requests at a time, one call after the other.

    A call begins with the image that has waited longest, `timeout_s` after it came or as soon as
    there are enough for it; images that come while a call goes on wait for the next one. One
    image that the model refuses fails alone: the batch is halved until it stands by itself.

    Args:
      call: takes the name of a signature and rows of one shape; gives the outputs of each.
      max_batch_size: images of one call.
      max_pixels: of all images of one call together, which decoding goes by in memory; a single
        image may have any number.
      timeout_s: how long an image waits for others.
      observe: told the size of every batch.
    """

    def __init__(
        self,
        call: Call,
        *,
        max_batch_size: int,
        max_pixels: int,
        timeout_s: float,
        observe: Callable[[int], None],
    ):
        self._call, self._observe = call, observe
        self._max_batch_size, self._max_pixels = max_batch_size, max_pixels
        self._timeout_s = timeout_s
        self._queue: collections.deque[_Waiting] = collections.deque()
        self._came = asyncio.Event()
        # The graph spreads one call over all cores itself.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="model")

    async def answers(self, signature: str, rows: Sequence[Row]) -> list[Outputs]:
        """Returns the outputs of each row.

        Args:
          signature: its name.
          rows: of one or several images.

        Raises:
          RowError: if the model fails on one of them.
        """
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(signature, row, loop.create_future()) for row in rows]
        self._queue.extend(waiting)
        self._came.set()
        answers = [one.answer for one in waiting]
        try:
            await asyncio.wait(answers, return_when=asyncio.FIRST_EXCEPTION)
            for i, answer in enumerate(answers):
                if answer.done() and (error := answer.exception()):
                    raise RowError(i, error) from error
            return [answer.result() for answer in answers]
        finally:
            # Of a request that failed or is no longer waited for, no more images are classified.
            for answer in answers:
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()  # else asyncio logs that nobody asked for it

    async def run(self) -> None:
        """Classifies what comes, for ever."""
        while True:
            await self._came.wait()
            await self._gather()
            batch = self._next_batch()
            if batch:
                self._observe(len(batch))
                await self._classify(batch)

    def close(self) -> None:
        """Ends the thread of the model, after the call that goes on."""
        self._thread.shutdown()

    async def _gather(self) -> None:
        """Waits until the batch is full, or its time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout_s
        while len(self._queue) < self._max_batch_size and loop.time() < until:
            self._came.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._came.wait()
            except TimeoutError:
                break
        self._came.set()

    def _next_batch(self) -> list[_Waiting]:
        """Takes the images of one call from the queue, those that have waited longest first."""
        alive = [one for one in self._queue if not one.answer.done()]
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        pixels = 0
        for one in alive:
            fits = not batch or (
                len(batch) < self._max_batch_size
                and one.key == batch[0].key
                and pixels + one.row.pixels <= self._max_pixels
            )
            (batch if fits else left).append(one)
            pixels += one.row.pixels if fits else 0
        self._queue = collections.deque(left)
        if not left:
            self._came.clear()
        return batch

    async def _classify(self, batch: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        rows = [one.row.value for one in batch]
        done = loop.run_in_executor(self._thread, self._call, batch[0].signature, rows)
        await asyncio.wait([done])
        error = done.exception()
        if isinstance(error, tf.errors.OpError) and len(batch) > 1:
            middle = len(batch) // 2
            await self._classify(batch[:middle])
            await self._classify(batch[middle:])
            return
        for i, one in enumerate(batch):
            if one.answer.done():  # its client no longer waits
                continue
            if error is None:
                one.answer.set_result(done.result()[i])
            else:
                one.answer.set_exception(error)
