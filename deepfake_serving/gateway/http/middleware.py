"""Around every HTTP request: its id, its problem, its count, its line in the log, safe headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.context import CallerLeft, Gateway
from deepfake_serving.gateway.http.responses import problem_reply
from deepfake_serving.gateway.ingest.min_rate import PacedReceive
from deepfake_serving.runtime.request_scope import CANCELLED, RequestScope, as_problem

_QUIET = ("/healthz", "/readyz", "/metrics")
"""Probes: neither counted nor logged, as they would drown what callers do."""

_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_SAFE = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class RequestScopeMiddleware:
    """Puts an `RequestScope` into each request's state as `exchange`.

    The handler is cancelled when the caller hangs up, and all that it waits for with it.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = RequestScope(
            "unmatched", headers.get("X-Request-ID"), headers.get("traceparent")
        )
        scope.setdefault("state", {})["exchange"] = exchange
        sender = _Sender(send, exchange, scope["state"], self.gateway)
        problem: Problem | None = None
        try:
            with self.gateway.in_flight.track():
                paced = PacedReceive(receive, self.gateway.settings.upload_min_rate)
                await self.app(scope, paced, sender)
        except (CallerLeft, ClientDisconnect):
            pass
        except asyncio.CancelledError:
            self._end(scope, exchange, CANCELLED, None)
            raise
        except Exception as error:
            problem = as_problem(error, exchange)
            if sender.status is None:
                reply = problem_reply(problem, exchange.id, scope["path"])
                await reply(scope, receive, sender)
        status = CANCELLED if sender.status is None else sender.status
        self._end(scope, exchange, status, problem or exchange.problem)

    def _end(
        self, scope: Scope, exchange: RequestScope, status: int, problem: Problem | None
    ) -> None:
        if scope["path"] not in _QUIET:
            exchange.route = getattr(scope.get("route"), "path", "unmatched")
            exchange.end(status, self.gateway.metrics, problem)


class _Sender:
    """Adds headers to the answer and remembers its status."""

    def __init__(
        self, send: Send, exchange: RequestScope, state: Mapping[str, Any], gateway: Gateway
    ) -> None:
        self.send, self.exchange, self.state, self.gateway = send, exchange, state, gateway
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.exchange.id
            if self.exchange.traceparent:
                headers["traceparent"] = self.exchange.traceparent
            if self.gateway.draining:
                headers["Connection"] = "close"  # the caller's next request goes elsewhere
            for name, value in (_SAFE | self.state.get("limit_headers", {})).items():
                headers.setdefault(name, value)
        await self.send(message)
