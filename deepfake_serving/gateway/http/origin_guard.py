"""Protection of a gateway without keys on loopback from web pages in the user's own browser.

A page can resolve its own host name to this machine (DNS rebinding) and read all responses, or send
forms and open WebSockets from its own origin.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from deepfake_serving.contracts.problems import Forbidden


class OriginGuardMiddleware:
    """Refuses requests whose `Host` is not local, or whose `Origin` is another one that
    `cors_origins` does not name."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on.

        Raises:
            Forbidden: the outer middleware maps it to a response.
        """
        if scope["type"] in ("http", "websocket"):
            self._check(Headers(scope=scope))
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not _is_local(host):
            raise Forbidden("without API keys, only localhost is served; see docs/security.md")
        if origin is not None and origin not in self.origins and _authority(origin) != host.lower():
            raise Forbidden("the page is of another origin; cors_origins names those permitted")


def _is_local(host: str) -> bool:
    try:
        name = URL(f"http://{host}").host or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str:
    return origin.partition("://")[2].lower()
