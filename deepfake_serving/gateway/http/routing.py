"""Requests as clients spell them: HEAD wherever there is GET, and a slash at the end of a path;
WebSockets at paths that have none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.runtime.tasks import first_of

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_FOLDERS = ("/console/", "/docs/assets/")
"""Below them a slash is a part of a file's path."""


class RoutingMiddleware:
    """Serves HEAD as GET without a body (RFC 9110, section 9.3.2), and a path with a slash at its
    end as the one without. A redirect would name the client's own Host, and loses bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        routed = dict(scope)
        if path.endswith("/") and path != "/" and not path.startswith(_FOLDERS):
            routed["path"] = path[:-1]
        if scope["type"] == "websocket":
            if not _has_websocket(scope["app"].router.routes, routed):
                raise NotFound(f"there is no WebSocket at {path[:200]}; /v1/stream is one")
            await self.app(routed, receive, send)
            return
        try:
            if scope["method"] == "HEAD":
                await self._head(routed, receive, send)
            else:
                await self.app(routed, receive, send)
        finally:
            if "route" in routed:
                scope["route"] = routed["route"]  # for metrics and logs

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends the handler at its response's headers: the body may be long, or without an end."""
        started = asyncio.Event()

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                started.set()

        await first_of(self.app({**scope, "method": "GET"}, receive, send_headers), started.wait())


def _has_websocket(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    """Mounts match every path, but they are of files."""
    return any(
        not isinstance(route, Mount) and route.matches(scope)[0] is Match.FULL for route in routes
    )


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> list[str]:
    """Returns the methods of all routes at a path, for the header `Allow`."""
    allowed: list[str] = []
    for method in _METHODS:
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        if any(_matches(route, scope) for route in routes):
            allowed.append(method)
    return [*allowed, "HEAD"] if "GET" in allowed else allowed


def _matches(route: BaseRoute, scope: Scope) -> bool:
    if isinstance(route, Mount) and scope["method"] != "GET":
        return False  # files; a mount matches every method
    return route.matches(scope)[0] is Match.FULL
