"""FastAPI dependencies that authorize a request or raise a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, WebSocket

from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.auth.keys import Scope
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.context import Gateway, get_gateway, get_request_scope


def require_scope(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    """Returns a dependency: the principal of a request whose key has the scope.

    It raises `Unauthorized`, `Forbidden` or `RateLimited`.
    """

    async def authorize(request: Request) -> Principal:
        def set_headers(status: RateLimitStatus) -> None:
            request.state.limit_headers = status.headers()

        authenticator = get_gateway(request).authenticator
        principal = await authenticator.authorize(request.headers, scope, set_headers)
        if principal.id is not None:
            get_request_scope(request).note(key=principal.id)
        return principal

    return authorize


async def authorize_websocket(socket: WebSocket, scope: Scope) -> Principal:
    """Authorizes a WebSocket. Browsers can't set headers there, so `?key=` works as well."""
    gateway: Gateway = socket.app.state.gateway
    headers = dict(socket.headers)
    key = socket.query_params.get("key")
    if key is not None:
        headers.setdefault("x-api-key", key)
    return await gateway.authenticator.authorize(headers, scope)
