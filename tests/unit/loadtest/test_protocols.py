"""Runs over gRPC and WebSocket, against stub servers with given responses."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from deepfake_serving.contracts.messages import problem_message, verdict_message
from deepfake_serving.contracts.problems import NotReady, Overloaded, Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import (
    DetectorServicer,
    add_DetectorServicer_to_server,
)
from deepfake_serving.gateway.http.openapi.examples import IMAGE
from tests.unit.loadtest.conftest import USERS

pytestmark = pytest.mark.slow

Runs = Callable[..., Any]
LIE = IMAGE | {"verdict": "no_face", "fake_probability": None, "faces": []}


class FakeDetector(DetectorServicer):
    """Sends a verdict, or a problem in the gateway's form."""

    def __init__(self, response: dict[str, Any] | Problem) -> None:
        self.response = response
        self.keys: list[str] = []

    def DetectImage(self, request: Any, context: Any) -> pb.ImageVerdict:  # noqa: N802
        self.keys += [v for k, v in context.invocation_metadata() if k == "authorization"]
        if isinstance(self.response, dict):
            return verdict_message(self.response)
        detail = AnyMessage()
        detail.Pack(problem_message(self.response, "x"))
        status = Status(code=self.response.grpc_code, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        code = next(c for c in grpc.StatusCode if c.value[0] == self.response.grpc_code)
        return context.abort(code, self.response.detail)


@contextmanager
def grpc_server(stub: FakeDetector, authority: trustme.CA | None = None) -> Iterator[str]:
    """Runs the stub; yields its address."""
    server = grpc.server(ThreadPoolExecutor(4))
    add_DetectorServicer_to_server(stub, server)
    if authority is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        issued = authority.issue_cert("localhost")
        pair = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def socket_server(
    response: Callable[[int], dict[str, Any] | None], context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Yields the URL of a stub that may respond to the n-th frame, from 1."""

    def handle(socket: ServerConnection) -> None:
        number = 0
        try:
            for _ in socket:
                number += 1
                if (message := response(number)) is not None:
                    socket.send(json.dumps(message))
                    if "frame" not in message:
                        return
        except ConnectionClosed:
            pass

    with serve(handle, "127.0.0.1", 0, ssl=context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()
        yield f"http{'s' if context else ''}://{host}:{port}"
        server.shutdown()
        thread.join()


def verdict_message_for(number: int) -> dict[str, Any]:
    return {"frame": number, "verdict": IMAGE, "smoothed": 0.1, "dropped": 0}


def not_ready() -> dict[str, Any]:
    return {"problem": NotReady("").to_dict()}


# gRPC


def test_grpc_responses_are_checked_and_the_key_is_in_the_metadata(run: Runs):
    stub = FakeDetector(IMAGE)
    with grpc_server(stub) as address:
        completed = run(
            *("image-grpc", "http://nowhere", "--pause=0.05", "--grpc", address),
            env={"DFK_KEY": "secret"},
        )
    assert completed.code == 0, completed.output
    assert set(stub.keys) == {"Bearer secret"}
    assert 0 <= len(stub.keys) - completed.summary["rows"][0]["requests"] <= USERS


@pytest.mark.parametrize(
    ("response", "options", "failure"),
    [
        (LIE, [], "gRPC DetectImage: faces: 0, not 1"),
        (NotReady("starting"), [], "gRPC DetectImage: 503 Not ready"),
        (Overloaded("the queue is full"), [], "gRPC refused DetectImage: 429 Overloaded"),
        (Overloaded("the queue is full"), ["--allow-refused"], None),
    ],
)
def test_wrong_grpc_responses_fail(
    run: Runs, response: Any, options: list[str], failure: str | None
):
    with grpc_server(FakeDetector(response)) as address:
        completed = run("image-grpc", "http://nowhere", "--grpc", address, *options)
    assert completed.code == 1, completed.output
    assert list(completed.summary["failures"]) == ([failure] if failure else [])


@pytest.mark.parametrize("known", [True, False])
def test_grpc_uses_tls_if_the_url_does(
    run: Runs, authority: trustme.CA, tmp_path: Path, known: bool
):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    env = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if known else {}
    with grpc_server(FakeDetector(IMAGE), authority) as address:
        words = ("https://nowhere", "--grpc", address, "--timeout=20", "--pause=0.05")
        completed = run("image-grpc", *words, env=env)
    assert completed.code == (0 if known else 1), completed.output


# WebSocket

LIVE = ("--live-fps=20", "--live-seconds=0.5", "--timeout=20")


@pytest.mark.parametrize("known", [True, False])
def test_frames_get_responses_over_tls(
    run: Runs, authority: trustme.CA, tmp_path: Path, known: bool
):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    env = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if known else {}
    with socket_server(verdict_message_for, context) as url:
        completed = run("live", url, *LIVE, env=env)
    assert completed.code == (0 if known else 1), completed.output


@pytest.mark.parametrize(
    ("response", "failure", "timeout_s"),
    [
        (lambda n: verdict_message_for(n) | {"verdict": LIE}, "faces: 0, not 1", 20),
        (
            lambda n: {"frame": n, "problem": NotReady("").to_dict(), "dropped": 0},
            "503 Not ready",
            20,
        ),
        (lambda n: not_ready(), "503 Not ready", 20),
        (
            lambda n: verdict_message_for(n) if n < 5 else None,
            "a response did not arrive in time",
            1,
        ),
        (
            lambda n: verdict_message_for(n) if n % 2 else None,
            "a frame got no response and was not counted",
            20,
        ),
        (lambda n: verdict_message_for(n + 1), "a message about a frame that is not pending", 20),
    ],
)
def test_frames_with_a_wrong_response_fail(
    run: Runs, response: Callable[[int], dict[str, Any] | None], failure: str, timeout_s: int
):
    with socket_server(response) as url:
        completed = run("live", url, *LIVE, f"--timeout={timeout_s}")
    assert completed.code == 1, completed.output
    assert any(failure in each for each in completed.summary["failures"]), completed.output


def test_frames_may_be_further_apart_than_a_request_may_take(run: Runs):
    with socket_server(verdict_message_for) as url:
        completed = run("live", url, "--live-fps=0.4", "--live-seconds=5.5", "--timeout=2")
    assert completed.code == 0, completed.output
    assert completed.summary["rows"][0]["requests"] >= 2


def test_a_refused_stream_is_counted_as_refused(run: Runs):
    with socket_server(lambda n: {"problem": Overloaded("too many streams").to_dict()}) as url:
        completed = run("live", url, *LIVE, "--allow-refused")
    assert completed.code == 1, completed.output
    assert (completed.summary["failures"], completed.summary["refused"] > 0) == ({}, True)
    assert completed.summary["reasons"] == ["Live: 0 successful requests, fewer than 1"]
