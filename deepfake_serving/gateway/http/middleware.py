"""The outermost middleware: request ids, problems, metrics, access log, security headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import ClientDisconnected, Gateway
from deepfake_serving.gateway.http.responses import problem_response
from deepfake_serving.gateway.ingest.min_rate import MinRateReceive
from deepfake_serving.runtime.request_scope import (
    CANCELLED,
    RequestScope,
    as_problem,
)

_UNCOUNTED = ("/healthz", "/readyz", "/metrics")
"""Probes are neither counted nor logged; they would hide the clients' requests."""

_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_API_PATHS = ("/v1/", "/v2/")
"""Paths whose responses are those of one client, which no shared cache may keep."""
_SECURITY_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class RequestScopeMiddleware:
    """Opens a `RequestScope` for each request and stores it in the state as `request_scope`.

    When the client disconnects, the handler is cancelled together with its upstream requests.
    """

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            await self._websocket(scope, headers, receive, send)
            return
        request_scope = RequestScope(
            "unmatched", headers.get("X-Request-ID"), headers.get("traceparent")
        )
        until_end = ExitStack()
        scope.setdefault("state", {}).update(request_scope=request_scope, until_end=until_end)
        sender = _HeaderSender(send, request_scope, scope["state"], self.gateway)
        sender.private = scope["path"].startswith(_API_PATHS)
        limited = MinRateReceive(receive, self.gateway.settings.upload_min_rate)
        problem: Problem | None = None
        try:
            with until_end, self.gateway.in_flight.track():
                _check_host(scope, headers)
                await self.app(scope, limited, sender)
        except (ClientDisconnected, ClientDisconnect):
            pass
        except asyncio.CancelledError:
            self._end(scope, request_scope, CANCELLED, None)
            raise
        except Exception as error:
            problem = as_problem(_cause(error), request_scope)
            if sender.status is None:
                response = problem_response(problem, request_scope.id, scope["path"])
                await response(scope, receive, sender)
            forget_traceback(problem)
        finally:
            principal: Principal | None = scope["state"].get("principal")
            if principal is not None:
                usage = self.gateway.authenticator.usage
                usage.add(principal.id, "bytes", limited.received_bytes)
        status = CANCELLED if sender.status is None else sender.status
        self._end(scope, request_scope, status, problem or request_scope.problem)

    async def _websocket(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        """Passes a WebSocket on; one that is refused before its handshake gets the problem."""
        try:
            _check_host(scope, headers)
            await self.app(scope, receive, send)
        except Problem as problem:
            request_scope = RequestScope(
                "unmatched", headers.get("X-Request-ID"), headers.get("traceparent")
            )
            response = problem_response(problem, request_scope.id, scope["path"])
            response.headers["X-Request-ID"] = request_scope.id
            await response(scope, receive, send)
            request_scope.end(problem.status, self.gateway.metrics, problem)

    def _end(
        self, scope: Scope, request_scope: RequestScope, status: int, problem: Problem | None
    ) -> None:
        if scope["path"] not in _UNCOUNTED:
            request_scope.route = getattr(scope.get("route"), "path", "unmatched")
            request_scope.end(status, self.gateway.metrics, problem)


def _cause(error: Exception) -> Exception:
    """Returns the problem that cut a response short, which Starlette raises as a RuntimeError."""
    problem = error.__cause__
    return problem if isinstance(error, RuntimeError) and isinstance(problem, Problem) else error


def _check_host(scope: Scope, headers: Headers) -> None:
    """Refuses a request that names several hosts (RFC 9112, section 3.2): parts of a system that
    read different ones would disagree on what was requested.

    Raises:
        InvalidRequest
    """
    hosts = len(headers.getlist("Host"))
    if hosts > 1 or (hosts == 0 and scope["http_version"] != "1.0"):
        raise InvalidRequest("a request has one Host header")


class _HeaderSender:
    """An ASGI `send` that adds headers to the response and records its status."""

    def __init__(
        self, send: Send, request_scope: RequestScope, state: Mapping[str, Any], gateway: Gateway
    ) -> None:
        self.send, self.request_scope = send, request_scope
        self.state, self.gateway = state, gateway
        self.status: int | None = None
        self.private = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_scope.id
            if self.request_scope.traceparent:
                headers["traceparent"] = self.request_scope.traceparent
            if self.gateway.draining:
                headers["Connection"] = "close"  # the client's next request goes elsewhere
            if self.private:
                headers.setdefault("Cache-Control", "private, no-cache")
            added = self.state.get("limit_headers", {}) | self.state.get("headers", {})
            for name, value in (_SECURITY_HEADERS | added).items():
                headers.setdefault(name, value)
        await self.send(message)
