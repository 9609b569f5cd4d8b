"""Web pages in the browser of a user who runs a gateway without keys on loopback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import Forbidden
from deepfake_serving.gateway.http.origin_guard import OriginGuardMiddleware


async def passes(headers: dict[str, str], kind: str = "http") -> bool:
    reached = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(_: Message) -> None:
        raise AssertionError("the outer middleware responds")

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    guard = OriginGuardMiddleware(app, ["https://console.example"])
    try:
        await guard({"type": kind, "headers": raw}, receive, send)
    except Forbidden:
        return False
    return bool(reached)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", None),
        ("localhost:8000", None),
        ("[::1]:8000", None),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("LOCALHOST:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "https://console.example"),
    ],
)
async def test_requests_of_the_same_origin_pass(kind: str, host: str, origin: str | None) -> None:
    assert await passes({"host": host} | ({"origin": origin} if origin else {}), kind)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8000", None),
        ("127.0.0.1.evil.example", None),
        ("localhost.evil.example", None),
        ("", None),
        ("10.0.0.1", None),
        ("evil.example", "http://evil.example"),
        ("127.0.0.1:8000", "https://evil.example"),
        ("127.0.0.1:8000", "http://127.0.0.1:9999"),
        ("127.0.0.1:8000", "null"),
        ("127.0.0.1:8000", ""),
    ],
)
async def test_requests_of_other_origins_are_refused(
    kind: str, host: str, origin: str | None
) -> None:
    assert not await passes(
        {"host": host} | ({"origin": origin} if origin is not None else {}), kind
    )


@given(host=st.text(), origin=st.text())
async def test_any_request_is_accepted_or_refused(host: str, origin: str) -> None:
    raw = [(b"host", host.encode()), (b"origin", origin.encode())]
    assert await passes({name.decode(): value.decode() for name, value in raw}) in (True, False)


async def test_lifespan_events_pass() -> None:
    assert await passes({}, "lifespan")
