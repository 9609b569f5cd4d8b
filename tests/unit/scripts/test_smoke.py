"""The smoke test of a deployment.

The gateway is a stub with given responses; `helm test` uses the real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.contracts.messages import verdict_message
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2_grpc
from deepfake_serving.gateway.http.openapi.examples import IMAGE, PROBLEM
from scripts.smoke import ImplausibleVerdict, by_grpc, main

GOOD = {**IMAGE, "width": 256, "height": 256}


@dataclass
class Gateway(detector_pb2_grpc.DetectorServicer):
    """The given response, and the requests so far."""

    status: int = 200
    response: Any = field(default_factory=lambda: dict(GOOD))
    keys: list[str | None] = field(default_factory=list)
    url: str = ""
    target: str = ""

    def DetectImage(  # noqa: N802 - the protocol's name
        self, request: pb.DetectImageRequest, context: grpc.ServicerContext
    ) -> pb.ImageVerdict:
        assert request.image == WARMUP_IMAGE.read_bytes()
        self.keys.append(dict(context.invocation_metadata()).get("x-api-key"))
        return verdict_message(self.response)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    for variable in ("DFK_SERVER", "DFK_GRPC", "DFK_KEY"):
        monkeypatch.delenv(variable, raising=False)
    stub = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/images"
            assert self.rfile.read(int(self.headers["Content-Length"])) == WARMUP_IMAGE.read_bytes()
            stub.keys.append(self.headers["Authorization"])
            body = json.dumps(stub.response).encode()
            self.send_response(stub.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    rpc = grpc.server(ThreadPoolExecutor(1))
    detector_pb2_grpc.add_DetectorServicer_to_server(stub, rpc)
    stub.url = f"http://127.0.0.1:{http.server_port}"
    stub.target = f"127.0.0.1:{rpc.add_insecure_port('127.0.0.1:0')}"
    rpc.start()
    yield stub
    rpc.stop(None).wait()
    http.shutdown()
    thread.join()
    http.server_close()


def test_rest_and_grpc_get_the_key(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([gateway.url, "--grpc", gateway.target, "--key", "k"]) == 0
    assert gateway.keys == ["Bearer k", "k"]
    assert capsys.readouterr().out.count(f"{IMAGE['fake_probability']:.3f}") == 2


def test_grpc_trusts_the_authorities_of_ssl_cert_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A gateway inside a company has a certificate of the company."""
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    certificate = authority.issue_cert("localhost")
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    rpc = grpc.server(ThreadPoolExecutor(1))
    detector_pb2_grpc.add_DetectorServicer_to_server(Gateway(), rpc)
    target = f"grpcs://localhost:{rpc.add_secure_port('localhost:0', credentials)}"
    rpc.start()
    try:
        with pytest.raises(grpc.RpcError):
            by_grpc(target, None)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert by_grpc(target, None).faces
    finally:
        rpc.stop(None).wait()


def test_missing_options_come_from_the_environment(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFK_SERVER", gateway.url)
    monkeypatch.setenv("DFK_KEY", "k")
    assert main([]) == 0
    assert gateway.keys == ["Bearer k"], "gRPC is used only if its address is given"


def test_a_missing_server_url_exits_with_2(gateway: Gateway) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"faces": [], "fake_probability": None}, "no face"),
        ({"width": 512}, "512x256"),
        ({"fake_probability": 0.9}, "0.9"),
        ({"verdict": "perhaps"}, "not a verdict"),
        (
            {"faces": [{**GOOD["faces"][0], "fake_probability": 1.5}], "fake_probability": 1.5},
            "1.5",
        ),
        ({"model": None}, "not a verdict"),
    ],
)
def test_an_inconsistent_response_fails(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], said: str
) -> None:
    gateway.response |= wrong
    assert main([gateway.url]) == 1
    assert said in capsys.readouterr().err


def test_grpc_responses_are_checked_as_strictly(gateway: Gateway) -> None:
    gateway.response |= {"faces": [], "fake_probability": None}
    with pytest.raises(ImplausibleVerdict, match="gRPC: no face"):
        by_grpc(gateway.target, None)


def test_a_problem_is_reported(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.status, gateway.response = 415, PROBLEM
    assert main([gateway.url]) == 1
    assert PROBLEM["detail"] in capsys.readouterr().err


def test_an_unreachable_rest_endpoint_fails(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["http://127.0.0.1:1"]) == 1
    assert "does not respond" in capsys.readouterr().err


def test_an_unreachable_grpc_endpoint_fails(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([gateway.url, "--grpc", "127.0.0.1:1"]) == 1
    assert "gRPC: UNAVAILABLE" in capsys.readouterr().err
