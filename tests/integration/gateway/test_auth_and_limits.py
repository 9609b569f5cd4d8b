"""Gateways with API keys, with a full disk, and without model servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import orjson
import pytest
import websockets
from google.rpc.status_pb2 import Status

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from deepfake_serving.gateway.auth.keys import generate
from tests.support.files_server import serving_files
from tests.support.published_schema import SCHEMA, checked_client
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration


class Locked:
    """A gateway and its API keys."""

    def __init__(self, gateway: RunningGateway, keys: dict[str, str]) -> None:
        self.gateway, self.keys = gateway, keys

    def client(self, name: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.keys[name]}"}
        return checked_client(self.gateway.url, headers=headers, timeout=GUARD_S)


@pytest.fixture(scope="module")
def locked(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("locked")
    scopes = {
        "one": ["images", "videos", "jobs", "stream"],
        "two": ["jobs"],
        "chief": ["admin"],
        "hasty": ["images"],
        "metered": ["images", "videos", "jobs", "stream", "infer"],
        "fetching": ["images", "videos"],
        "fetching-little": ["images"],
        "tensors": ["infer"],
    }
    created = {name: generate(name, given) for name, given in scopes.items()}
    entries = "".join(entry for _, entry in created.values())
    entries = entries.replace("- id: hasty\n", "- id: hasty\n  rate: 2/hour\n")
    daily = "{images: 4, video_seconds: 0.1}"
    entries = entries.replace("- id: metered\n", f"- id: metered\n  daily: {daily}\n")
    entries = entries.replace("fetching-little\n", "fetching-little\n  daily: {bytes: 1000}\n")
    (folder / "keys.yaml").write_text(entries)
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    routing = json.dumps({"pools": [pool]})
    settings = {"keys_file": folder / "keys.yaml", "fetch_private": "127.0.0.0/8"}
    with RunningGateway.start(folder, routing=routing, **settings) as gateway:
        yield Locked(gateway, {name: key for name, (key, _) in created.items()})
        assert gateway.stop() == 0


def test_only_probes_and_pages_are_served_without_a_key(locked: Locked) -> None:
    with checked_client(locked.gateway.url, timeout=GUARD_S) as anonymous:
        for path in ("/healthz", "/readyz", "/", "/docs", "/v1/info", "/openapi.json"):
            assert anonymous.get(path).status_code == 200, path
        for path in ("/v1/jobs", "/v1/models", "/v2", "/metrics", "/v1/jobs/x/events"):
            response = anonymous.get(path)
            problem_of(response, 401, "unauthorized")
            assert response.headers["WWW-Authenticate"] == "Bearer"
        problem_of(anonymous.post("/v1/images", content=b"x"), 401, "unauthorized")
        assert anonymous.get("/v1/info").json()["auth"] is True


def test_health_of_the_inference_protocol_needs_no_key(locked: Locked) -> None:
    with checked_client(locked.gateway.url, timeout=GUARD_S) as nobody:
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/detector/ready"):
            assert nobody.get(path).status_code == nobody.head(path).status_code == 200, path
        problem_of(nobody.get("/v2/models/detector"), 401, "unauthorized")
    with grpc.insecure_channel(locked.gateway.grpc_target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(oip.ServerLiveRequest()).live
        with pytest.raises(grpc.RpcError) as caught:
            stub.ServerMetadata(oip.ServerMetadataRequest())
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "an API key is required"),
        ({"Authorization": "Bearer"}, "an API key is required"),
        ({"Authorization": "Bearer dfk_short"}, "the API key is malformed"),
        ({"X-API-Key": "sk-another"}, "the API key is malformed"),
        ({"X-API-Key": "dfk_nobody_" + "x" * 43}, "the API key is unknown"),
    ],
)
def test_a_refused_key_is_reported_with_the_reason(
    locked: Locked, headers: dict[str, str], detail: str
) -> None:
    with checked_client(locked.gateway.url, headers=headers, timeout=GUARD_S) as client:
        problem = problem_of(client.get("/v1/jobs"), 401, "unauthorized")
    assert problem["detail"].startswith(detail)


def test_a_key_permits_only_its_scopes(locked: Locked, astronaut_jpeg: bytes) -> None:
    with locked.client("one") as one, locked.client("two") as two:
        assert one.post("/v1/images", content=astronaut_jpeg).status_code == 200
        problem_of(two.post("/v1/images", content=astronaut_jpeg), 403, "forbidden")
        problem_of(one.get("/metrics"), 403, "forbidden")
    with locked.client("chief") as chief:
        assert chief.get("/metrics").status_code == 200


def test_a_job_belongs_to_its_owner_and_admins(locked: Locked, video: Path) -> None:
    with locked.client("one") as one, locked.client("two") as two, locked.client("chief") as chief:
        job = one.post("/v1/videos", content=video.read_bytes()).json()
        for path in (job["links"]["self"], job["links"]["media"], job["links"]["events"]):
            problem_of(two.get(path), 404, "not-found")
        problem_of(two.delete(job["links"]["self"]), 404, "not-found")
        assert two.get("/v1/jobs").json()["jobs"] == []
        for who in (one, chief):
            assert [j["id"] for j in who.get("/v1/jobs").json()["jobs"]] == [job["id"]]
            assert who.get(job["links"]["self"]).status_code == 200


def test_a_rate_limit_is_enforced_and_in_the_headers(locked: Locked, astronaut_jpeg: bytes) -> None:
    with locked.client("hasty") as limited:
        for _ in range(2):
            response = limited.post("/v1/images", content=astronaut_jpeg)
            assert response.status_code == 200
            assert response.headers["RateLimit-Policy"] == '"key";q=2;w=3600'
        refused = limited.post("/v1/images", content=astronaut_jpeg)
        problem_of(refused, 429, "rate-limited")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["RateLimit-Policy"] == '"key";q=2;w=3600'
        assert refused.headers["RateLimit"].startswith('"key";r=0;t=')


def test_grpc_and_websockets_need_the_same_key(locked: Locked, astronaut_jpeg: bytes) -> None:
    request = pb.DetectImageRequest(image=astronaut_jpeg)
    with grpc.insecure_channel(locked.gateway.grpc_target) as channel:
        stub = DetectorStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.DetectImage(request)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        trailing = dict(caught.value.trailing_metadata())
        status = Status.FromString(trailing["grpc-status-details-bin"])
        detail = pb.Problem()
        status.details[0].Unpack(detail)
        assert detail.status == 401
        metadata = (("x-api-key", locked.keys["one"]),)
        assert stub.DetectImage(request, metadata=metadata).verdict == pb.VERDICT_REAL
    url = locked.gateway.url.replace("http", "ws") + "/v1/stream"

    async def first_response(query: str) -> str:
        async with websockets.connect(url + query) as socket:
            with contextlib.suppress(websockets.ConnectionClosed):  # refused before it is sent
                await socket.send(astronaut_jpeg)
            return str(await socket.recv())

    assert "unauthorized" in asyncio.run(first_response(""))
    assert '"verdict"' in asyncio.run(first_response(f"?key={locked.keys['one']}"))


def test_a_gateway_without_model_servers_is_not_ready(
    tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    with RunningGateway.start(
        tmp_path, "http://127.0.0.1:9", wait_ready=False, embedded_worker="false"
    ) as gateway:
        with checked_client(gateway.url, timeout=GUARD_S) as api:
            assert api.get("/readyz").json() == {
                "ready": False,
                "reasons": ["no model server is up"],
                "degraded": [],
            }
            assert api.get("/healthz").status_code == 200
            response = api.post("/v1/images", content=astronaut_jpeg)
            problem_of(response, 503, "upstream-unavailable")
            assert response.headers["Retry-After"]
        assert gateway.stop() == 0


# Usage and quotas ---------------------------------------------------------------------------------


def test_an_admin_lists_the_keys_without_their_secrets(locked: Locked) -> None:
    with locked.client("chief") as chief, locked.client("one") as one:
        problem_of(one.get("/v1/keys"), 403, "forbidden")
        listed = chief.get("/v1/keys")
        assert "sha256:" not in listed.text
        assert listed.json()["required"] is True
        keys = {key["id"]: key for key in listed.json()["keys"]}
    assert list(keys) == sorted(locked.keys)
    assert keys["one"]["scopes"] == ["images", "jobs", "stream", "videos"]
    assert keys["one"]["rate"] is None
    rate = keys["hasty"]["rate"]
    assert (rate["limit"], rate["window_s"]) == (2, 3600)
    assert keys["metered"]["daily"] == {"images": 4, "video_seconds": 0.1}


def test_usage_is_counted_by_key_and_day_and_ends_at_the_quota(
    locked: Locked, astronaut_jpeg: bytes, video: Path
) -> None:
    with locked.client("metered") as metered, locked.client("chief") as chief:
        served = metered.post("/v1/images", content=astronaut_jpeg)
        assert served.headers["RateLimit-Policy"] == '"images-per-day";q=4;w=86400;qu="images"'
        assert served.headers["RateLimit"].startswith('"images-per-day";r=4;t=')
        files = [("file", ("a.jpg", astronaut_jpeg)), ("file", ("b.jpg", astronaut_jpeg))]
        assert metered.post("/v1/images/batch", files=files).status_code == 200
        with grpc.insecure_channel(locked.gateway.grpc_target) as channel:
            stub, metadata = DetectorStub(channel), [("x-api-key", locked.keys["metered"])]
            request = pb.DetectImageRequest(image=astronaut_jpeg)
            stub.DetectImage(request, metadata=metadata)
            with pytest.raises(grpc.RpcError) as caught:
                stub.DetectImage(request, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        refused = metered.post("/v1/images", content=astronaut_jpeg)
        problem = problem_of(refused, 429, "quota-exceeded")
        assert problem["detail"] == "the API key's quota of 4 images a day is used up"
        assert 0 < int(refused.headers["Retry-After"]) <= 86400
        (usage,) = metered.get("/v1/usage").json()["keys"]
        sent = 4 * len(astronaut_jpeg)
        assert (usage["key"], usage["requests"], usage["images"]) == ("metered", 3, 4)
        assert sent < usage["bytes"] < sent + 4096
        assert usage["limits"] == {"images": 4, "video_seconds": 0.1}
        everyone = {each["key"]: each for each in chief.get("/v1/usage").json()["keys"]}
        assert everyone["metered"] == usage
        assert {"one", "chief"} <= everyone.keys()
        assert metered.get("/v1/usage?day=2020-02-30").status_code == 400
        assert metered.get("/v1/usage?day=2020-02-29").json()["keys"][0]["requests"] == 0
        assert metered.post("/v1/videos", content=video.read_bytes()).status_code == 202
        locked.gateway.wait_until(
            lambda: metered.get("/v1/usage").json()["keys"][0]["video_seconds"] > 1,
            120,
            "counting the seconds of the video",
        )
        locked.gateway.wait_until(  # within a second
            lambda: metered.post("/v1/videos", content=video.read_bytes()).status_code == 429,
            120,
            "refusing videos",
        )
        metrics = chief.get("/metrics").text
        assert 'deepfake_key_usage_total{key="metered",unit="images"} 4.0' in metrics


def test_each_image_of_a_tensor_counts(locked: Locked, astronaut_jpeg: bytes) -> None:
    encoded = base64.b64encode(astronaut_jpeg).decode()
    tensor = {"name": "images", "datatype": "BYTES", "shape": [3], "data": [encoded] * 3}
    instances = [{"b64": encoded}] * 2
    given = oip.ModelInferRequest.InferInputTensor(name="images", datatype="BYTES", shape=[4])
    given.contents.bytes_contents.extend([astronaut_jpeg] * 4)
    with locked.client("tensors") as client:
        client.post("/v2/models/detector/infer", json={"inputs": [tensor]}).raise_for_status()
        client.post("/v1/models/detector:predict", json={"instances": instances}).raise_for_status()
        refused = {"inputs": [tensor], "parameters": {"explain": "yes"}}
        assert client.post("/v2/models/detector/infer", json=refused).status_code == 400
        with grpc.insecure_channel(locked.gateway.grpc_target) as channel:
            stub, metadata = (
                GRPCInferenceServiceStub(channel),
                [("x-api-key", locked.keys["tensors"])],
            )
            request = oip.ModelInferRequest(model_name="detector", inputs=[given])
            stub.ModelInfer(request, metadata=metadata, timeout=GUARD_S)
            stub.ModelMetadata(
                oip.ModelMetadataRequest(name="detector"), metadata=metadata, timeout=GUARD_S
            )
        (usage,) = client.get("/v1/usage").json()["keys"]
    assert (usage["requests"], usage["images"]) == (5, 3 + 2 + 1 + 4)


def test_fetched_bytes_count_as_uploaded_ones_do(
    locked: Locked, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    """Those that the gateway fetches, and those that a worker fetches for jobs."""
    (tmp_path / "a.jpg").write_bytes(astronaut_jpeg)
    size = len(astronaut_jpeg)
    with serving_files(tmp_path) as url, locked.client("fetching") as client:

        def used() -> int:
            (usage,) = client.get("/v1/usage").json()["keys"]
            return int(usage["bytes"])

        assert client.post("/v1/images", json={"url": f"{url}/a.jpg"}).status_code == 200
        assert size < used() < size + 1000
        urls = {"urls": [f"{url}/a.jpg", f"{url}/none.jpg", f"{url}/a.jpg"]}
        assert client.post("/v1/images/batch", json=urls).status_code == 200
        assert 3 * size < used() < 3 * size + 1000
        headers = {"Prefer": "respond-async"}
        for path in ("/v1/images", "/v1/videos"):
            response = client.post(path, json={"url": f"{url}/a.jpg"}, headers=headers)
            assert response.status_code == 202
        locked.gateway.wait_until(lambda: used() > 5 * size, 120, "counting fetches of jobs")
        assert used() < 5 * size + 2000
        with locked.client("fetching-little") as little:
            body = {"url": f"{url}/a.jpg"}
            assert little.post("/v1/images", json=body).status_code == 200
            problem_of(little.post("/v1/images", json=body), 429, "quota-exceeded")


# Slow clients -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """Allows a stall of two seconds in total, and then 100,000 bytes per second."""
    pace = {"upload_stall_timeout_s": 2, "upload_min_bytes_per_s": 100_000}
    folder = tmp_path_factory.mktemp("strict")
    with RunningGateway.start(folder, server.url, embedded_worker="false", **pace) as gateway:
        yield gateway
        assert gateway.stop() == 0


def _post(gateway: RunningGateway, path: str, headers: str, chunks: Iterator[bytes]) -> bytes:
    """Returns the response, up to the end of the connection, which the gateway must close."""
    address = httpx.URL(gateway.url)
    with socket.create_connection(
        (address.host, address.port or 80), timeout=GUARD_S
    ) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for chunk in chunks:
                connection.sendall(chunk)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _trickle(head: bytes = b"") -> Iterator[bytes]:
    yield head
    for _ in range(60):
        time.sleep(0.1)
        yield b"x"


FORM = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n"
FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("path", "headers", "chunks"),
    [
        ("/v1/images", "Content-Length: 99999\r\n", _trickle),
        ("/v1/images", "Content-Length: 99999\r\n", lambda: iter([b"x"])),
        ("/v1/images", FORM, lambda: _trickle(FORM_HEAD)),
        ("/v1/videos", "Content-Length: 99999999\r\n", lambda: _trickle(bytes(2**20))),
        ("/v1/images", "Content-Type: application/json\r\nContent-Length: 99\r\n", _trickle),
        ("/v2/models/detector/infer", "Content-Length: 99999\r\n", _trickle),
    ],
    ids=["a body", "one byte", "a form", "a video", "json", "inference"],
)
def test_a_slow_body_is_refused(
    strict: RunningGateway, path: str, headers: str, chunks: Callable[[], Iterator[bytes]]
) -> None:
    begun = time.monotonic()
    head, _, body = _post(strict, path, headers, chunks()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert orjson.loads(body)["type"].endswith(":slow-request")
    SCHEMA.check_document("ProblemDocument", orjson.loads(body))
    assert time.monotonic() - begun < 60


def test_a_slow_video_over_grpc_is_refused(strict: RunningGateway) -> None:
    def parts() -> Iterator[pb.SubmitVideoRequest]:
        yield pb.SubmitVideoRequest(options=pb.VideoOptions(name="a"))
        for chunk in _trickle(b"x"):
            yield pb.SubmitVideoRequest(chunk=chunk)

    with (
        grpc.insecure_channel(strict.grpc_target) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        DetectorStub(channel).SubmitVideo(parts())
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "less than 100000 bytes a second" in caught.value.details()


def test_a_body_in_chunks_with_pauses_is_read(
    strict: RunningGateway, astronaut_jpeg: bytes
) -> None:
    def chunks() -> Iterator[bytes]:
        for start in range(0, len(astronaut_jpeg), 40_000):
            time.sleep(0.2)
            yield astronaut_jpeg[start : start + 40_000]

    with checked_client(strict.url, timeout=GUARD_S) as api:
        response = api.post("/v1/images", content=chunks())
    assert response.status_code == 200
    assert response.json()["faces"]
