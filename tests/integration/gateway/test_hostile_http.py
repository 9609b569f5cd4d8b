"""Heads of requests that are too long are refused while other clients get their responses."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.running import GUARD_S, RunningGateway

pytestmark = pytest.mark.integration

LIMIT = 64 * 1024
MIB = 2**20


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway in front of no model server."""
    folder = tmp_path_factory.mktemp("hostile-http")
    with RunningGateway.start(
        folder, "http://127.0.0.1:9", wait_ready=False, embedded_worker="false"
    ) as running:
        yield running


def send(gateway: RunningGateway, request: bytes) -> tuple[int, bytes]:
    """Returns how many bytes were sent before the connection closed, and the response."""
    sent, response = 0, b""
    with socket.create_connection(("127.0.0.1", gateway.ports["http"]), GUARD_S) as connection:
        with contextlib.suppress(ConnectionError):
            while sent < len(request):
                sent += connection.send(request[sent : sent + LIMIT])
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(LIMIT):
                response += part
    return sent, response


HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
CHUNKED = (
    b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
)


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"X: " + b"a" * (40 * MIB) + b"\r\n\r\n",
        HEAD + b"X" * (40 * MIB) + b": a\r\n\r\n",
        HEAD + b"X: a\r\n" * (4 * MIB) + b"\r\n",
        b"GET /" + b"a" * (40 * MIB) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        CHUNKED + b"0\r\nX: " + b"a" * (40 * MIB) + b"\r\n\r\n",
    ],
    ids=["value", "name", "fields", "target", "trailer"],
)
def test_a_head_of_forty_megabytes_is_refused_early(
    alone: RunningGateway, request_bytes: bytes
) -> None:
    """One value of 40 MB kept all others waiting for 5 s, one of 100 MB for 51 s."""
    sent, response = send(alone, request_bytes)
    assert sent < 16 * MIB  # what the sockets buffer
    assert response == b"" or b" 431 " in response.splitlines()[0] or b" 400 " in response
    assert httpx.get(alone.url + "/healthz", timeout=GUARD_S).status_code == 200


def test_another_client_is_served_while_a_long_head_arrives(alone: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", alone.ports["http"]), GUARD_S) as connection:
        connection.sendall(HEAD + b"X: " + b"a" * (LIMIT // 2))
        assert httpx.get(alone.url + "/healthz", timeout=GUARD_S).status_code == 200
        time.sleep(0.2)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"a" * LIMIT)
        assert connection.recv(64).startswith(b"HTTP/1.1 431 ")


def test_heads_below_the_limit_pass_also_on_one_connection(alone: RunningGateway) -> None:
    with httpx.Client(timeout=GUARD_S) as client:
        for _ in range(4):
            response = client.get(alone.url + "/healthz", headers={"X": "a" * (LIMIT - 1000)})
            assert response.status_code == 200


def test_a_body_is_longer_than_a_head_may_be(alone: RunningGateway) -> None:
    response = httpx.post(alone.url + "/v1/images", content=iter([bytes(MIB)] * 4), timeout=GUARD_S)
    assert response.status_code == 503  # no model server is up


def test_liveness_is_that_of_the_gateway(alone: RunningGateway) -> None:
    """Readiness is that of the model servers."""
    live, ready = (
        httpx.get(f"{alone.url}/v2/health/{probe}", timeout=GUARD_S) for probe in ("live", "ready")
    )
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert ready.status_code == 503


def test_a_gateway_with_few_files_serves_others_while_idle_connections_fill_them(
    tmp_path: Path,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))  # which the gateway inherits
    try:
        running = RunningGateway.start(
            tmp_path, "http://127.0.0.1:9", wait_ready=False, embedded_worker="false"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with running as gateway:
        address = ("127.0.0.1", gateway.ports["http"])
        with contextlib.ExitStack() as stack:
            for number in range(400):
                stack.enter_context(
                    contextlib.closing(socket.create_connection(address, timeout=GUARD_S))
                )
                if number % 100 == 99:
                    assert httpx.get(f"{gateway.url}/healthz", timeout=GUARD_S).status_code == 200
        warnings = gateway.events("too many connections")
        assert warnings
        assert warnings[0]["files"] == 256
        assert gateway.stop() == 0
