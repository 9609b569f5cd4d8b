"""gRPC connections that cost a gateway files and memory: unused, half-open, or too many."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.gateway.test_hostile_grpc import Client
from tests.support import http2
from tests.support.http2 import PREFACE
from tests.support.running import GUARD_S, RunningGateway

pytestmark = pytest.mark.integration

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""An empty SETTINGS frame (RFC 9113, 3.4)."""
NEVER_WITHIN_TEST = 3600


@contextlib.contextmanager
def running(folder: Path, **settings: Any) -> Iterator[RunningGateway]:
    """Runs a gateway in front of no model server."""
    given = {"embedded_worker": "false", **settings}
    with RunningGateway.start(folder, "http://127.0.0.1:9", wait_ready=False, **given) as gateway:
        yield gateway
        assert gateway.stop() == 0


def connect(gateway: RunningGateway, *sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gateway.ports["grpc"]), timeout=GUARD_S)
    for data in sent:
        connection.sendall(data)
    return connection


def read_to_end(connection: socket.socket, timeout_s: float = 60) -> bytes:
    """Reads until the gateway closes the connection."""
    connection.settimeout(timeout_s)
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        ((), "upload_stall_timeout_s"),
        ((PREFACE[:12],), "upload_stall_timeout_s"),
        ((PREFACE,), "upload_stall_timeout_s"),
        ((PREFACE, SETTINGS), "grpc_idle_timeout_s"),
        ((PREFACE, SETTINGS), "grpc_keepalive_s"),
    ],
)
def test_a_silent_connection_is_closed(tmp_path: Path, sent: tuple[bytes, ...], limit: str) -> None:
    """With one limit of a second. The last client does not acknowledge pings, as one that has
    vanished."""
    limits = dict.fromkeys(("upload_stall_timeout_s", "grpc_idle_timeout_s"), NEVER_WITHIN_TEST)
    with (
        running(tmp_path, **limits | {"grpc_keepalive_s": NEVER_WITHIN_TEST, limit: 1}) as gateway,
        connect(gateway, *sent) as connection,
    ):
        read_to_end(connection)


def test_connections_past_the_limit_are_closed_at_once(tmp_path: Path) -> None:
    with running(tmp_path, grpc_max_connections=8) as gateway, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connect(gateway, PREFACE, SETTINGS)).recv(9)
        with connect(gateway) as refused:  # it may be closed before anything could be sent
            assert read_to_end(refused) == b""
        stack.close()
        health, end = Client(gateway.grpc_target), time.monotonic() + 60
        while health.call("/grpc.health.v1.Health/Check", b"") is not grpc.StatusCode.OK:
            assert time.monotonic() < end


def test_headers_that_are_no_text_end_their_own_call_alone(tmp_path: Path) -> None:
    """In some versions of gRPC, such a path ends the server for everybody."""
    check = "/grpc.health.v1.Health/Check"
    with running(tmp_path) as gateway:
        for name in (b":path", b":authority", b"user-agent", b"x-api-key", b"x-request-id"):
            call = http2.call(check.encode(), b"", {name: b"/deepfake.v1.Detector/\xc4\xff"})
            with connect(gateway, call) as connection:
                connection.shutdown(socket.SHUT_WR)
                read_to_end(connection)
            assert Client(gateway.grpc_target).call(check, b"") is grpc.StatusCode.OK, name
