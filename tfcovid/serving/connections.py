"""Connections that nobody can hold open for nothing: slow headers, answers that are not read.

uvicorn has no such limits. It ends idle connections only between two requests, so that a client
that sends half a header, or never reads its answer, would keep its connection for ever.
"""

import asyncio
import dataclasses
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

# What a connection beyond the limit has to say something.
SPARE_CONNECTION_S = 1.0


@dataclasses.dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
      headers_s: until the headers of a request are there, from its first byte or, of a new
        connection, from its beginning.
      unread_s: how long an answer may wait for its client to read on.
      connections: open at a time; beyond it a new one gets 503.
    """

    headers_s: float
    unread_s: float
    connections: int


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with the limits of `ConnectionLimits`.

    Args:
      limits: of the connection.
      given: as uvicorn gives it.
    """

    def __init__(self, *, limits: ConnectionLimits, **given: Any):
        super().__init__(**given)
        self._limits = limits
        self._is_one_too_many = False
        self._headers_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins a connection; one too many is refused as soon as it says something."""
        super().connection_made(transport)
        self._is_one_too_many = len(self.connections) > self._limits.connections
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Takes bytes; once they are whole headers, their time no longer runs."""
        if self.transport.is_closing():
            return
        if self._is_one_too_many:
            # Not before: what a client sends to a closed connection takes its answer away.
            self._refuse_late()
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_headers_due()
        elif self._headers_due is None:
            self._wait_for_headers()

    def on_response_complete(self) -> None:
        """Ends an answer; the headers of a next request that had begun have their time."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._unset_keepalive_if_required()
            self._wait_for_headers()

    def pause_writing(self) -> None:
        """Waits for the client to read, not for ever."""
        super().pause_writing()
        self._read_due = self.loop.call_later(self._limits.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Writes on."""
        super().resume_writing()
        self._cancel_read_due()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the connection, and its timers with it."""
        self._cancel_headers_due()
        self._cancel_read_due()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, or has headers that are too long."""
        self._refuse(400, msg)

    def _wait_for_headers(self) -> None:
        within_s = self._limits.headers_s
        if self._is_one_too_many:
            within_s = min(within_s, SPARE_CONNECTION_S)
        self._headers_due = self.loop.call_later(within_s, self._refuse_late)

    def _refuse_late(self) -> None:
        """Answers a connection that was one too many, or whose headers did not come."""
        if self._is_one_too_many:
            self._refuse(503, "busy: too many connections; try again", ("retry-after", "1"))
            return
        limit = self._limits.headers_s
        self._refuse(408, f"the headers of the request did not arrive within {limit:g} s")

    def _refuse(self, status: int, message: str, *headers: tuple[str, str]) -> None:
        """Answers before there is a request, and closes the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        body = json.dumps({"error": message}).encode()
        response = h11.Response(
            status_code=status,
            headers=[
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
                *headers,
            ],
            reason=STATUS_PHRASES[status],
        )
        parts = (response, h11.Data(data=body), h11.EndOfMessage())
        self.transport.write(b"".join(self.conn.send(part) or b"" for part in parts))
        self.transport.close()

    def _cancel_headers_due(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _cancel_read_due(self) -> None:
        if self._read_due is not None:
            self._read_due.cancel()
            self._read_due = None
