"""TLS between a real gateway and a real model server, with a CA made here."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme
from websockets.sync.client import connect

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from tests.support.certificates import NAME, mount
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class TLSServer(RunningServer):
    """A model server whose readiness is read at its port of probes."""

    def readyz(self) -> httpx.Response:
        listening = self.wait_for_event("listening")
        return httpx.get(f"http://127.0.0.1:{listening['probe']}/readyz", timeout=GUARD_S)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def mounted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for side in ("server", "client"):
        mount(folder / side, authority, authority)
    return folder


@pytest.fixture(scope="module")
def tls_server(archive_folder: Path, mounted: Path) -> Iterator[RunningServer]:
    folder = mounted / "server"
    with TLSServer.run(
        {
            "archives": archive_folder,
            "models": "detector",
            "probe_port": 0,
            "tls_certificate": folder / "tls.crt",
            "tls_key": folder / "tls.key",
            "tls_client_ca": folder / "ca.crt",
        }
    ) as running:
        yield running


def gateway_to(
    server: RunningServer, data: Path, folder: Path, *, wait_ready: bool = True, host: str = NAME
) -> RunningGateway:
    url = f"https://{host}:{server.ports['http']}"
    pool = {"name": "a", "url": url, "grpc_port": server.ports["grpc"]}
    copies = {"name": "copies", "url": url, "shadow": 1}
    tls: dict[str, Any] = {"upstream_ca": folder / "ca.crt"}
    if (folder / "tls.crt").exists():
        tls |= {"upstream_certificate": folder / "tls.crt", "upstream_key": folder / "tls.key"}
    routing = json.dumps({"pools": [pool, copies]})
    return RunningGateway.start(data, wait_ready=wait_ready, routing=routing, **tls)


@pytest.fixture(scope="module")
def tls_gateway(
    tls_server: RunningServer, mounted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    data = tmp_path_factory.mktemp("tls-gateway")
    with gateway_to(tls_server, data, mounted / "client") as running:
        yield running


def detect(gateway: RunningGateway, image: bytes) -> httpx.Response:
    headers = {"Content-Type": "image/jpeg"}
    return httpx.post(f"{gateway.url}/v1/images", content=image, headers=headers, timeout=GUARD_S)


def infer(gateway: RunningGateway, image: bytes) -> oip.ModelInferResponse:
    request = oip.ModelInferRequest(model_name="detector")
    tensor = request.inputs.add(name="images", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(image)
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        return GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=GUARD_S)


def ends(server: RunningServer | RunningGateway) -> list[str]:
    text = httpx.get(server.metrics_url, timeout=GUARD_S).text
    name = "deepfake_certificate_expiry_timestamp_seconds{"
    return [line for line in text.splitlines() if line.startswith(name)]


def test_images_calls_and_videos_pass(
    tls_gateway: RunningGateway, tls_server: RunningServer, three_faces_jpeg: bytes, video: Path
) -> None:
    assert len(detect(tls_gateway, three_faces_jpeg).json()["faces"]) == 3
    assert infer(tls_gateway, three_faces_jpeg).model_name == "detector"
    files = [("file", (f"{n}.jpg", three_faces_jpeg, "image/jpeg")) for n in range(3)]
    batch = httpx.post(f"{tls_gateway.url}/v1/images/batch", files=files, timeout=GUARD_S)
    assert [len(each["verdict"]["faces"]) for each in batch.json()["results"]] == [3, 3, 3]
    with video.open("rb") as file:
        job = httpx.post(
            f"{tls_gateway.url}/v1/videos", files={"file": file}, timeout=GUARD_S
        ).json()
    url, end = f"{tls_gateway.url}/v1/jobs/{job['id']}", time.monotonic() + GUARD_S
    while (job := httpx.get(url, timeout=GUARD_S).json())["state"] in ("queued", "running"):
        assert time.monotonic() < end, job
        time.sleep(0.2)
    assert job["state"] == "succeeded", job
    assert len(ends(tls_gateway)) == len(ends(tls_server)) == 2


def test_live_frames_and_shadow_traffic_pass(
    tls_gateway: RunningGateway, three_faces_jpeg: bytes
) -> None:
    def copies() -> float:
        text = httpx.get(tls_gateway.metrics_url, timeout=GUARD_S).text
        compared = r'^deepfake_shadow_requests_total\{.*outcome="compared".*\} (\S+)$'
        return sum(map(float, re.findall(compared, text, re.MULTILINE)))

    before = copies()
    address = tls_gateway.url.replace("http", "ws") + "/v1/stream"
    with connect(address, max_size=None, proxy=None) as stream:
        stream.send(three_faces_jpeg)
        assert len(json.loads(stream.recv(GUARD_S))["verdict"]["faces"]) == 3
    with grpc.insecure_channel(tls_gateway.grpc_target) as channel:
        frames = iter([pb.StreamFrame(image=three_faces_jpeg)])
        (response,) = DetectorStub(channel).DetectStream(frames, timeout=GUARD_S)
    assert len(response.verdict.faces) == 3
    tls_gateway.wait_until(lambda: copies() > before, GUARD_S, "a compared copy")


def test_a_client_without_a_certificate_is_refused(
    tls_server: RunningServer, mounted: Path
) -> None:
    ca = mounted / "client" / "ca.crt"
    with pytest.raises(httpx.TransportError):
        httpx.get(
            f"https://{NAME}:{tls_server.ports['http']}/readyz",
            verify=ssl.create_default_context(cafile=ca),
            trust_env=False,
            timeout=GUARD_S,
        )
    target = f"{NAME}:{tls_server.ports['grpc']}"
    with (
        grpc.secure_channel(target, grpc.ssl_channel_credentials(ca.read_bytes())) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        GRPCInferenceServiceStub(channel).ServerLive(oip.ServerLiveRequest(), timeout=GUARD_S)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("host", "reason"),
    [(NAME, "self-signed certificate in certificate chain"), ("127.0.0.1", "ip address mismatch")],
)
def test_the_gateway_says_why_it_trusts_no_model_server(
    tls_server: RunningServer,
    authority: trustme.CA,
    tmp_path: Path,
    three_faces_jpeg: bytes,
    host: str,
    reason: str,
) -> None:
    trusted = trustme.CA() if host == NAME else authority
    folder = mount(tmp_path / "client", authority, trusted)
    with gateway_to(tls_server, tmp_path, folder, wait_ready=False, host=host) as gateway:
        gateway.wait_for_event("TLS to a replica failed", where=lambda e: reason in e["reason"])
        response = detect(gateway, three_faces_jpeg)
    assert (response.status_code, response.headers["Content-Type"]) == (
        503,
        "application/problem+json",
    )


def test_a_gateway_without_a_certificate_is_refused(
    tls_server: RunningServer, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    with gateway_to(tls_server, tmp_path / "data", tmp_path, wait_ready=False) as gateway:
        assert gateway.readyz().status_code == 503


def test_rotation_fails_no_request(
    tls_gateway: RunningGateway,
    tls_server: RunningServer,
    authority: trustme.CA,
    mounted: Path,
    three_faces_jpeg: bytes,
) -> None:
    stopped, outcomes = threading.Event(), list[object]()

    def call() -> None:
        while not stopped.is_set():
            outcomes.append(detect(tls_gateway, three_faces_jpeg).status_code)
            outcomes.append(infer(tls_gateway, three_faces_jpeg).model_name)

    client = threading.Thread(target=call)
    client.start()
    try:
        for side in ("server", "client"):
            mount(mounted / side, authority, authority)
        for process in (tls_server, tls_gateway):
            process.wait_for_event("certificates reloaded")
        seen = len(outcomes)
        tls_server.wait_until(lambda: len(outcomes) > seen + 3, GUARD_S, "called again")
    finally:
        stopped.set()
        client.join(GUARD_S)
    assert set(outcomes) == {200, "detector"}
