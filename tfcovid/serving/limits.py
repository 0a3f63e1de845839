"""What keeps the server's memory and time bounded, whatever is sent to it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator

from starlette.requests import Request

from tfcovid.serving.refused import RefusedError

# Bodies held at a time, in longest bodies.
HELD_BODIES = 8
RETRY_AFTER_S = 1


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of one server.

    Attributes:
      max_body_bytes: of one request.
      max_pixels: of one image.
      request_timeout_s: until a request must have arrived, and be answered.
      max_waiting: images accepted and not yet answered.
    """

    max_body_bytes: int
    max_pixels: int
    request_timeout_s: float
    max_waiting: int


class Admission:
    """Counts what is held: the bytes of bodies and images, and the images that wait."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.waiting = 0
        self._held_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether one image more would be refused."""
        return self.waiting >= self.limits.max_waiting

    @contextlib.contextmanager
    def images(self, count: int) -> Iterator[None]:
        """Admits images until the block ends.

        Raises:
          RefusedError: with 503 while too many wait; with 413 if they are too many even alone.
        """
        limit = self.limits.max_waiting
        if count > limit:
            raise RefusedError(
                413, f"{count} images in one request, at most {limit} wait at a time; send fewer"
            )
        if self.waiting + count > limit:
            raise RefusedError(
                503,
                f"busy: {self.waiting} images are waiting; try again",
                retry_after_s=RETRY_AFTER_S,
            )
        self.waiting += count
        try:
            yield
        finally:
            self.waiting -= count

    @contextlib.contextmanager
    def held(self) -> Iterator["Held"]:
        """Gives a counter of bytes whose count ends with the block."""
        held = Held(self)
        try:
            yield held
        finally:
            held.release()

    def hold(self, num_bytes: int) -> None:
        """Counts bytes; raises RefusedError with 503 if they are too many."""
        if self._held_bytes + num_bytes > HELD_BODIES * self.limits.max_body_bytes:
            raise RefusedError(
                503,
                "busy: the requests that are being read fill the memory set aside; try again",
                retry_after_s=RETRY_AFTER_S,
            )
        self._held_bytes += num_bytes

    def release(self, num_bytes: int) -> None:
        """Counts so many bytes less."""
        self._held_bytes -= num_bytes


class Held:
    """The bytes that one request holds."""

    def __init__(self, admission: Admission):
        self._admission = admission
        self.num_bytes = 0

    def add(self, num_bytes: int) -> None:
        """Counts more bytes; raises RefusedError with 503 if all requests then hold too many."""
        self._admission.hold(num_bytes)
        self.num_bytes += num_bytes

    def release(self) -> None:
        """Counts no bytes any more."""
        self._admission.release(self.num_bytes)
        self.num_bytes = 0


async def read_body(request: Request, *, held: Held, max_bytes: int, deadline: float) -> bytes:
    """Returns the body of a request.

    Args:
      request: whose body is not read yet.
      held: counts its bytes.
      max_bytes: the longest body.
      deadline: when it must be there, in the time of the event loop.

    Raises:
      RefusedError: with 408 if it comes too slowly, 413 if it is too long, 503 if all bodies
        together are.
      starlette.requests.ClientDisconnect: if the client went away.
    """
    too_long = f"the request is longer than {max_bytes // 2**20} MiB; send a smaller one"
    if int(request.headers.get("content-length", "0")) > max_bytes:
        # A client that asks before it sends has sent nothing more.
        asks = request.headers.get("expect", "").lower() == "100-continue"
        raise RefusedError(413, too_long, unread=not asks)
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise RefusedError(413, too_long)
                held.add(len(chunk))
                body += chunk
    except RefusedError as error:
        error.unread = True
        raise
    except TimeoutError as error:
        message = f"the request did not arrive whole in time; {len(body)} bytes came"
        raise RefusedError(408, message, unread=True) from error
    return bytes(body)
