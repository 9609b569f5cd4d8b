"""FastAPI dependencies that authorize a request or raise a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fastapi import Security, WebSocket
from fastapi.dependencies.models import Dependant
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection, Request

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.auth.keys import Scope
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.context import Gateway, get_gateway, get_request_scope
from deepfake_serving.gateway.queue.usage import Unit

_BEARER = HTTPBearer(
    scheme_name="bearer", description="An API key as a bearer token.", auto_error=False
)
_HEADER = APIKeyHeader(
    name="X-API-Key", scheme_name="apiKey", description="An API key.", auto_error=False
)
"""For the OpenAPI document; the authenticator reads the headers."""


def require_scope(scope: Scope | None) -> Callable[[Request], Awaitable[Principal]]:
    """Returns a dependency: the principal of a request whose key has the scope; None is any.

    It raises `Unauthorized`, `Forbidden`, `RateLimited`, `QuotaExceeded`, or `Overloaded` where
    the key has too many requests open.
    """

    scopes = [] if scope is None else [scope]
    bearer = Security(_BEARER, scopes=scopes)
    header = Security(_HEADER, scopes=scopes)

    async def authorize(
        request: Request,
        _bearer: Any = bearer,
        _header: Any = header,
    ) -> Principal:
        statuses: list[RateLimitStatus] = []

        def set_headers(status: RateLimitStatus) -> None:
            statuses.append(status)
            request.state.limit_headers = RateLimitStatus.headers(statuses)

        authenticator = get_gateway(request).authenticator
        principal = await authenticator.authorize(request.headers, scope, set_headers)
        counted = getattr(request.state, "principal", None) is not None
        request.state.principal = principal
        if principal.id is not None:
            get_request_scope(request).note(key=principal.id)
        if not counted:
            request.state.until_end.enter_context(get_gateway(request).requests.reserve(principal))
        return principal

    return authorize


def count_usage(request: Request, unit: Unit, amount: float) -> None:
    """Counts usage of a request's key, besides the request itself and its body."""
    principal: Principal = request.state.principal
    get_gateway(request).authenticator.usage.add(principal.id, unit, amount)


async def refuse_unknown_query(request: HTTPConnection) -> None:
    """Refuses a query parameter that a route of `/v1` does not have: an option that is misspelt
    would otherwise be dropped without a word.

    Raises:
        InvalidRequest
    """
    route: Any = request.scope["route"]
    if request.scope["type"] != "http" or not request.url.path.startswith("/v1/"):
        return
    check_query(request, set(_query_names(route.dependant)))


def check_query(connection: HTTPConnection, known: set[str]) -> None:
    """
    Raises:
        InvalidRequest: the query has a parameter that is not known.
    """
    for name in connection.query_params:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise InvalidRequest(f"there is no query parameter {name[:80]!r}; there are: {names}")


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for each in dependant.dependencies:
        yield from _query_names(each)


async def authorize_websocket(socket: WebSocket, scope: Scope) -> Principal:
    """Authorizes a WebSocket. Browsers can't set headers there, so `?key=` works as well."""
    gateway: Gateway = socket.app.state.gateway
    headers = dict(socket.headers)
    key = socket.query_params.get("key")
    if key is not None:
        headers.setdefault("x-api-key", key)
    return await gateway.authenticator.authorize(headers, scope)
