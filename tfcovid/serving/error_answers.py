"""Answers that refuse, and those whose client is still sending when it is refused."""

import asyncio
import contextlib

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

# How long a client that is still sending has to find its answer: one whose connection is closed at
# once would see only that.
PARTING_S = 1.5


def error_answer(
    status: int, message: str, headers: dict[str, str] | None = None, *, unread: bool = False
) -> JSONResponse:
    """Returns `{"error": message}`, as TensorFlow Serving answers.

    Args:
      status: of HTTP.
      message: one line. What a client sent and is told again may have half a character, which no
        JSON can carry.
      headers: further ones.
      unread: whether a part of the request is not read.
    """
    whole = message.encode("utf-8", "replace").decode("utf-8")
    kind = PartingAnswer if unread else JSONResponse
    return kind({"error": " ".join(whole.split())}, status, headers)


class PartingAnswer(JSONResponse):
    """An answer before the request is whole: it goes out, and what still comes is thrown away.

    The connection is closed when the request has ended, its client is gone, or after `PARTING_S`.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""

        async def send_open(message: Message) -> None:
            is_body = message["type"] == "http.response.body"
            await send({**message, "more_body": True} if is_body else message)

        self.headers["Connection"] = "close"
        await super().__call__(scope, receive, send_open)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                # What says that the client is gone has no more of a body.
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
