"""FastAPI's dependencies that let a request pass, or raise why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, WebSocket

from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.auth.keys import Scope
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.context import exchange_of, gateway_of


def allow(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    """Who asks, where their key has the scope and is within its rate."""

    async def check(request: Request) -> Principal:
        def tell(standing: RateLimitStatus) -> None:
            request.state.limit_headers = standing.headers()

        principal = await gateway_of(request).access.allow(request.headers, scope, tell)
        if principal.id is not None:
            exchange_of(request).note(key=principal.id)
        return principal

    return check


async def allow_socket(socket: WebSocket, scope: Scope) -> Principal:
    """The same for a WebSocket, whose browsers can't send headers: `?key=` does as well."""
    headers = dict(socket.headers)
    key = socket.query_params.get("key")
    if key is not None:
        headers.setdefault("x-api-key", key)
    principal: Principal = await socket.app.state.gateway.access.allow(headers, scope)
    return principal
