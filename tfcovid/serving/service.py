"""From what came in to what the model says of it, within the limits."""

import asyncio
import concurrent.futures
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf
from starlette.requests import Request

from tfcovid.serving.batching import Batcher, Outputs, RowError
from tfcovid.serving.incoming import Row, prepared
from tfcovid.serving.limits import RETRY_AFTER_S, Admission, Held, Limits, read_body
from tfcovid.serving.monitoring import Metrics
from tfcovid.serving.refused import RefusedError
from tfcovid.serving.servable import Servable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Service:
    """A model behind its limits.

    Args:
      servable: the model.
      limits: of memory and time.
      max_batch_size: images of one call of the model.
      batch_timeout_s: how long an image waits for others.
    """

    def __init__(
        self,
        servable: Servable,
        limits: Limits,
        *,
        max_batch_size: int,
        batch_timeout_s: float,
    ):
        self.servable, self.limits = servable, limits
        self.metrics = Metrics()
        self.admission = Admission(limits)
        self.metrics.waiting.set_function(lambda: self.admission.waiting)
        self._batcher = Batcher(
            servable.call,
            max_batch_size=max_batch_size,
            max_pixels=limits.max_pixels,
            timeout_s=batch_timeout_s,
            observe=self.metrics.batch_sizes.observe,
        )
        self._batching: asyncio.Task[None] | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(
            min(4, os.cpu_count() or 1), thread_name_prefix="images"
        )

    @property
    def not_ready(self) -> str | None:
        """Why no image would be taken now, or None."""
        if self._batching is None or self._batching.done():
            return "no model is running"
        return "busy: as many images are waiting as may" if self.admission.is_full else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes images while the block lasts."""
        self._batching = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            self._batching.cancel()
            self._batcher.close()
            self._threads.shutdown()

    @contextlib.contextmanager
    def request(self, request: Request) -> Iterator["Exchange"]:
        """Gives what answers one request; what it holds is free again after the block."""
        deadline = asyncio.get_running_loop().time() + self.limits.request_timeout_s
        with self.admission.held() as held:
            yield Exchange(self, request, held, deadline)

    async def in_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Returns what a function returns that would keep the event loop waiting."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    async def outputs(
        self, signature: str, values: Sequence[Any], *, held: Held, where: str
    ) -> tuple[list[Outputs], list[Row]]:
        """Returns what the model says of each image, and its row as the model took it.

        Args:
          signature: its name.
          values: bytes of files, or uint8 arrays [height, width, channels].
          held: counts what the images take once they are prepared.
          where: they stand in the request, for messages; "" for a single image.

        Raises:
          RefusedError: if one of them is no image.
        """
        names = [f"{where}[{i}]" if where else "" for i in range(len(values))]
        rows = []
        with self.admission.images(len(values)):
            for name, value in zip(names, values, strict=True):
                row = await self.in_thread(
                    prepared,
                    value,
                    max_pixels=self.limits.max_pixels,
                    radiograph=self.servable.radiographs_only,
                    where=name,
                )
                if row.value is not value:
                    held.add(row.num_bytes)
                rows.append(row)
            try:
                found = await self._batcher.answers(signature, rows)
            except RowError as error:
                raise _refused(error, names[error.index]) from error
        self.metrics.images.inc(len(values))
        return found, rows


class Exchange:
    """One request, from its body to what the model says of the images in it.

    Args:
      service: the model behind its limits.
      request: whose body is not read yet.
      held: counts the bytes that it holds; also an attribute.
      deadline: when it must be answered, in the time of the event loop.
    """

    def __init__(self, service: Service, request: Request, held: Held, deadline: float):
        self._service, self._request, self._deadline = service, request, deadline
        self.held = held

    async def body(self) -> bytes:
        """Returns the whole body; raises as `read_body`."""
        return await read_body(
            self._request,
            held=self.held,
            max_bytes=self._service.limits.max_body_bytes,
            deadline=self._deadline,
        )

    @contextlib.asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Ends the block at the deadline, with a RefusedError of status 504."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError as error:
            limit = self._service.limits.request_timeout_s
            raise RefusedError(
                504, f"not answered within {limit:g} s; try again", retry_after_s=RETRY_AFTER_S
            ) from error


def _refused(error: RowError, where: str) -> BaseException:
    """Returns what a client is told of an image that the model failed on."""
    reason = error.reason
    if isinstance(reason, tf.errors.InvalidArgumentError):
        message = "damaged: the image does not decode"
        return RefusedError(400, f"{where}: {message}" if where else message)
    if isinstance(reason, tf.errors.ResourceExhaustedError):
        return RefusedError(503, "out of memory; try again", retry_after_s=RETRY_AFTER_S)
    return reason
