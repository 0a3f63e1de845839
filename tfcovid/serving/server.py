"""Serves an application over HTTP until it is told to stop, and then answers what it accepted."""

import functools
import math
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from tfcovid.serving.connections import ConnectionLimits, GuardedProtocol

MAX_CONNECTIONS = 900  # most systems let a process open 1,024 files
HEADERS_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 5
# Beyond the time that a request has: for its answer to go out.
GRACE_S = 2


def listening_socket(host: str, port: int) -> socket.socket:
    """Returns a socket that has an address to itself; it takes connections once `serve` begins.

    Args:
      host: a name or an address.
      port: 0 takes a free one.

    Raises:
      ValueError: if there is no such address, or its port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ValueError(f"--host={host}: no such address ({error.strerror})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ValueError(
            f"--port={port}: nothing can listen at {host}:{port} ({error.strerror}); "
            "name another one, or 0 for one that is free"
        ) from error
    return listener


def http_server(
    app: ASGIApp,
    limits: ConnectionLimits,
    *,
    grace_s: int,
    started: Callable[[], None],
) -> uvicorn.Server:
    """Returns a server that has not begun; `run(sockets=[listener])` begins it.

    Args:
      app: the application.
      limits: of each connection.
      grace_s: how long what was accepted before a stop may take.
      started: called once connections are taken.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=functools.partial(GuardedProtocol, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )
    return _Announced(config, started)


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    request_timeout_s: float,
    started: Callable[[], None],
) -> None:
    """Serves until SIGTERM or Ctrl-C.

    What was accepted by then is answered; a second Ctrl-C ends at once.

    Args:
      app: the application.
      listener: from `listening_socket`.
      request_timeout_s: what a request may take.
      started: called once connections are taken.
    """
    limits = ConnectionLimits(
        headers_s=min(HEADERS_TIMEOUT_S, request_timeout_s),
        unread_s=request_timeout_s,
        connections=MAX_CONNECTIONS,
    )
    grace_s = math.ceil(request_timeout_s) + GRACE_S
    server = http_server(app, limits, grace_s=grace_s, started=started)
    # uvicorn sends itself the signal that stopped it once more when it has stopped, for what it
    # found there before: that is here, and does nothing more.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, server.handle_exit)
    server.run(sockets=[listener])


class _Announced(uvicorn.Server):
    """A server that says when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]):
        super().__init__(config)
        self._say_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._say_started()
