"""A gateway that stands open on loopback is for this machine's people, not for the pages that their
browsers happen to show.

Such a page can name a host of its own that leads here (DNS rebinding) and then read all answers, or
send forms and open WebSockets from its own origin.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from deepfake_serving.contracts.problems import Forbidden

_POLICY = 1008  # RFC 6455, section 7.4.1; before the handshake, servers answer 403


class OriginGuardMiddleware:
    """Refuses requests for another name, or from another origin than those that are named."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Forbidden`, which what is around turns into an answer; a WebSocket is closed."""
        try:
            if scope["type"] in ("http", "websocket"):
                self._check(Headers(scope=scope))
        except Forbidden:
            if scope["type"] == "http":
                raise
            await receive()
            await send({"type": "websocket.close", "code": _POLICY})
            return
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not _is_here(host):
            raise Forbidden("without API keys, only localhost may be asked; see docs/security.md")
        if origin is not None and origin not in self.origins and _authority(origin) != host.lower():
            raise Forbidden("the page is of another origin; cors_origins names those that may ask")


def _is_here(host: str) -> bool:
    try:
        name = URL(f"http://{host}").host or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str:
    return origin.partition("://")[2].lower()
