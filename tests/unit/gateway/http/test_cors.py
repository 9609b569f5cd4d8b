"""Preflight requests of browsers: permitted, or refused with a problem."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import Forbidden
from deepfake_serving.gateway.http.cors import CrossOriginMiddleware

ORIGIN = "https://console.example"


async def preflight(origin: str, method: str) -> dict[str, str]:
    """Returns the headers of the response, which is a success."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("a preflight request has reached the application")

    async def receive() -> Message:
        raise AssertionError("a preflight request has no body")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "x-api-key",
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"type": "http", "method": "OPTIONS", "headers": raw}
    await CrossOriginMiddleware(app, [ORIGIN])(scope, receive, send)
    assert sent[0]["status"] == 200
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def test_a_preflight_request_of_a_permitted_origin_succeeds() -> None:
    headers = await preflight(ORIGIN, "DELETE")
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-headers"] == "x-api-key"


@pytest.mark.parametrize(
    ("origin", "method", "detail"),
    [
        ("https://evil.example", "GET", "requests of this origin"),
        (ORIGIN, "BREW", "the method 'BREW'"),
        (ORIGIN, "X" * 999, "the method 'XXX"),
    ],
)
async def test_a_refused_preflight_request_is_a_problem(
    origin: str, method: str, detail: str
) -> None:
    with pytest.raises(Forbidden, match=detail):
        await preflight(origin, method)
