"""The web application: routes, and what surrounds every request."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfcovid.serving.error_answers import error_answer
from tfcovid.serving.hosts import HostChecked
from tfcovid.serving.model_routes import model_routes
from tfcovid.serving.monitoring import CONTENT_TYPE, Metrics
from tfcovid.serving.page_routes import page_routes
from tfcovid.serving.refused import RefusedError
from tfcovid.serving.service import Service


def build_app(service: Service, model_name: str, hosts: frozenset[str] | None = None) -> ASGIApp:
    """Returns the application.

    Args:
      service: the model behind its limits.
      model_name: NAME of the addresses /v1/models/NAME.
      hosts: names that requests may ask for, as in `hosts.expected_hosts`.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.running():
            yield

    routes = [
        *model_routes(service, model_name),
        *page_routes(service, model_name),
        *_state_routes(service),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            RefusedError: _refuse,
            HTTPException: _refuse_http,
            ClientDisconnect: _give_up,
            Exception: _fail,
        },
    )
    checked = app if hosts is None else HostChecked(app, hosts)
    return Counted(checked, service.metrics)


class Counted:
    """An application whose requests are counted and timed.

    Args:
      app: the application.
      metrics: where to count.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = "none"

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            labels = {"asked": _asked(scope["path"]), "status": status}
            self._metrics.requests.labels(**labels).inc()
            self._metrics.seconds.labels(**labels).observe(time.perf_counter() - begun)


def _asked(path: str) -> str:
    if path == "/api/classify":
        return "classify"
    return "predict" if path.startswith("/v1/") and path.lower().endswith(":predict") else "other"


def _state_routes(service: Service) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = service.not_ready
        return PlainTextResponse(f"{reason or 'ok'}\n", status_code=503 if reason else 200)

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _refuse(_: Request, error: Exception) -> Response:
    refused = cast(RefusedError, error)
    return error_answer(refused.status, str(refused), refused.headers(), unread=refused.unread)


async def _refuse_http(request: Request, error: Exception) -> Response:
    refused = cast(HTTPException, error)
    message = f"{refused.detail}: {request.method} {request.url.path[:100]}"
    return error_answer(refused.status_code, message, dict(refused.headers or {}))


async def _give_up(_: Request, __: Exception) -> Response:
    return error_answer(400, "the connection was closed before the request was whole")


async def _fail(_: Request, __: Exception) -> Response:
    return error_answer(500, "a fault of the server; its log says more")
