"""Whose names a request may ask for: a page of elsewhere must not read what this server answers.

A browser sends what it is told to the address that a name resolves to. Whoever owns a name can let
it resolve to this machine (DNS rebinding), and his page then asks a server that listens for this
machine alone; the Host header still has his name.
"""

import ipaddress
import urllib.parse
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tfcovid.serving.error_answers import error_answer

ANY = "*"


def expected_hosts(bound: str, named: str, allowed: Collection[str]) -> frozenset[str] | None:
    """Returns the names that the Host header may have beside loopback addresses, None for any.

    Args:
      bound: the address that the server listens at.
      named: the same as the user named it.
      allowed: further names; ANY allows all.
    """
    if ANY in allowed or not (allowed or _is_loopback(bound)):
        return None
    return frozenset(name.lower() for name in ("localhost", named, *allowed))


class HostChecked:
    """An application that answers requests for its own names only.

    Args:
      app: the application.
      hosts: from `expected_hosts`.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]):
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        # No browser leaves the header out.
        asked = Headers(scope=scope).get("host") if scope["type"] == "http" else None
        if asked is None or self._expects(asked):
            await self._app(scope, receive, send)
            return
        message = (
            f"Host {asked[:100]}: expected {', '.join(sorted(self._hosts))} or a loopback address; "
            "serve with --allowed_hosts to answer under another name"
        )
        await error_answer(400, message, unread=scope["method"] == "POST")(scope, receive, send)

    def _expects(self, asked: str) -> bool:
        try:
            name = urllib.parse.urlsplit(f"//{asked}").hostname or ""
        except ValueError:  # brackets around what is no address
            return False
        return name.rstrip(".") in self._hosts or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name
        return False
