"""Images through the gateway: good, bad, in batches, by URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import httpx
import pytest

from deepfake_serving.contracts.problems import MEDIA_TYPE, TYPE_PREFIX
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from model_handlers.manifest import read_manifest
from tests.integration.gateway.conftest import MAX_IMAGE
from tests.support.paths import MANIFESTS
from tests.support.requests import BAD_IMAGES, problem_of, rpc_problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]


@pytest.fixture(scope="module")
def site(astronaut_jpeg: bytes) -> Iterator[str]:
    """A web server with one image."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/a.jpg"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(astronaut_jpeg if found else b"")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_verdict_equals_that_of_the_model_server(
    api: httpx.Client, server: RunningServer, astronaut_jpeg: bytes
) -> None:
    own = httpx.post(
        f"{server.url}/predictions/detector", content=astronaut_jpeg, timeout=GUARD_S
    ).json()
    for sent in (
        {"content": astronaut_jpeg},
        {"content": astronaut_jpeg, "headers": {"Content-Type": "image/jpeg"}},
        {"files": {"file": ("a.jpg", astronaut_jpeg)}},
    ):
        response = api.post("/v1/images", **sent)  # type: ignore[arg-type]
        assert response.status_code == 200
        assert response.json()["faces"] == own["faces"]
        assert response.json()["model"] == own["model"]


def test_an_image_is_fetched_by_its_url(api: httpx.Client, site: str) -> None:
    assert len(api.post("/v1/images", json={"url": f"{site}/a.jpg"}).json()["faces"]) == 1
    problem_of(api.post("/v1/images", json={"url": f"{site}/b.jpg"}), 422, "unreachable-url")
    problem_of(api.post("/v1/images", json={"url": "file:///etc/passwd"}), 422, "refused-url")
    problem_of(api.post("/v1/images", json={"url": "http://10.0.0.1/"}), 422, "refused-url")


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_is_a_problem_of_the_right_type(api: httpx.Client, name: str) -> None:
    content, status, slug = BAD_IMAGES[name]
    problem_of(api.post("/v1/images", content=content), status, slug)
    if content:
        problem_of(api.post("/v1/images", files={"file": content}), status, slug)


TOO_LARGE = bytes(MAX_IMAGE + 1)


def typed(content_type: str) -> dict[str, Any]:
    return {"content": b"{", "headers": {"Content-Type": content_type}}


@pytest.mark.parametrize(
    ("sent", "status", "slug"),
    [
        pytest.param({"content": TOO_LARGE}, 413, "too-large", id="a body over the limit"),
        pytest.param({"files": {"file": TOO_LARGE}}, 413, "too-large", id="a file over the limit"),
        ({"files": [("file", b"a"), ("file", b"b")]}, 400, "invalid-request"),
        ({"files": {"image": b"a"}}, 400, "invalid-request"),
        (typed("text/plain"), 415, "unsupported-media-type"),
        (typed("multipart/form-data"), 400, "invalid-request"),
        (typed("application/json"), 400, "invalid-request"),
        ({"data": {"a": "b"}}, 415, "unsupported-media-type"),
        ({"json": {"uri": "x"}}, 400, "invalid-request"),
        ({"json": []}, 400, "invalid-request"),
        ({"json": {"url": 3}}, 400, "invalid-request"),
        ({"json": {"url": "http://a/", "urls": ["http://b/"]}}, 400, "invalid-request"),
        ({"content": b"a", "params": {"model": "cats"}}, 404, "unknown-model"),
        ({"content": b"a", "headers": {"X-Request-Timeout": "soon"}}, 400, "invalid-request"),
        ({"content": b"a", "headers": {"X-Request-Timeout": "0.0001"}}, 504, "deadline-exceeded"),
    ],
    ids=str,
)
def test_a_bad_request_is_a_problem_of_the_right_type(
    api: httpx.Client, sent: dict[str, Any], status: int, slug: str
) -> None:
    problem_of(api.post("/v1/images", **sent), status, slug)


def test_the_content_type_that_curl_sets_by_itself_is_refused_with_others(
    api: httpx.Client,
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    problem = problem_of(
        api.post("/v1/images", content=b"\xff\xd8", headers=headers), 415, "unsupported-media-type"
    )
    assert "image/jpeg" in problem["detail"]
    assert "application/json" in problem["detail"]


def test_a_batch_keeps_its_order_including_bad_images(
    api: httpx.Client, astronaut_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    named = [("a.jpg", astronaut_jpeg), ("b.txt", b"text"), ("c.jpg", no_face_jpeg)]
    response = api.post("/v1/images/batch", files=[("file", each) for each in named])
    assert response.status_code == 200
    first, second, third = response.json()["results"]
    assert (first["name"], len(first["verdict"]["faces"])) == ("a.jpg", 1)
    assert (second["name"], second["problem"]["status"]) == ("b.txt", 415)
    assert (third["name"], third["verdict"]["verdict"]) == ("c.jpg", "no_face")
    assert second["problem"]["id"] == response.json()["id"] + ".1"


def test_a_batch_of_urls_has_a_problem_for_each_unreachable_url(
    api: httpx.Client, site: str
) -> None:
    urls = [f"{site}/b.jpg", f"{site}/a.jpg"]
    missing, found = api.post("/v1/images/batch", json={"urls": urls}).json()["results"]
    assert missing["problem"]["type"] == TYPE_PREFIX + "unreachable-url"
    assert len(found["verdict"]["faces"]) == 1


def test_images_are_fetched_over_grpc_too(
    stub: DetectorStub, site: str, astronaut_jpeg: bytes
) -> None:
    verdict = stub.DetectImage(pb.DetectImageRequest(url=f"{site}/a.jpg"))
    assert len(verdict.faces) == 1
    urls = [f"{site}/b.jpg", f"{site}/a.jpg", "file:///etc/passwd"]
    missing, found, refused = stub.DetectBatch(pb.DetectBatchRequest(urls=urls)).results
    assert missing.problem.type == TYPE_PREFIX + "unreachable-url"
    assert found.verdict.fake_probability == verdict.fake_probability
    assert refused.problem.type == TYPE_PREFIX + "refused-url"
    single, both = pb.DetectImageRequest(url=urls[0]), {"images": [b"x"], "urls": urls[:1]}
    for call, message, slug, status in (
        (stub.DetectImage, single, "unreachable-url", 422),
        (stub.DetectBatch, pb.DetectBatchRequest(**both), "invalid-request", 400),  # type: ignore[arg-type]
        (stub.DetectBatch, pb.DetectBatchRequest(urls=urls * 2), "too-large", 413),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(message)
        rpc_problem_of(caught.value, caught.value.code(), status, slug)


def test_the_size_of_a_batch_is_limited(api: httpx.Client) -> None:
    files = [("file", b"x")] * 5
    problem_of(api.post("/v1/images/batch", files=files), 413, "too-large")


def test_unknown_paths_and_methods_are_refused(api: httpx.Client) -> None:
    problem_of(api.get("/v1/nothing"), 404, "not-found")
    allowed = problem_of(api.get("/v1/images"), 405, "method-not-allowed")
    assert "POST" in allowed["detail"]
    problem_of(api.get("/v1/jobs", params={"limit": "many"}), 400, "invalid-request")


def test_ids_and_safe_headers_are_returned(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    given = {"X-Request-ID": "mine-1"}
    response = api.post("/v1/images", content=astronaut_jpeg, headers=given)
    assert response.headers["X-Request-ID"] == response.json()["id"] == "mine-1"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_the_inference_protocol_is_proxied(
    api: httpx.Client, server: RunningServer, astronaut_jpeg: bytes
) -> None:
    for path in ("/v2", "/v2/models/detector", "/v2/models/faces", "/v2/health/ready"):
        assert api.get(path).json() == httpx.get(server.url + path, timeout=GUARD_S).json()
    wrong = api.post("/v2/models/detector/infer", json={"inputs": []})
    assert wrong.status_code == 400
    assert wrong.headers["Content-Type"] == MEDIA_TYPE
    head = b'{"inputs":[{"name":"images","datatype":"BYTES","shape":[1],"parameters":'
    head += b'{"binary_data_size":%d}}]}' % (len(astronaut_jpeg) + 4)
    body = head + len(astronaut_jpeg).to_bytes(4, "little") + astronaut_jpeg
    given = {"Inference-Header-Content-Length": str(len(head))}
    inferred = api.post("/v2/models/detector/infer", content=body, headers=given).json()
    assert inferred["model_name"] == "detector"
    problem_of(api.get("/v2/models/cats"), 404, "unknown-model")


def test_models_are_listed_with_their_digests(api: httpx.Client, server: RunningServer) -> None:
    below = {
        m["name"]: m["digest"] for m in httpx.get(server.url, timeout=GUARD_S).json()["models"]
    }
    listed = api.get("/v1/models").json()["models"]
    assert {m["name"]: m["digest"] for m in listed} == below
    assert listed[0]["pools"] == [{"name": "pool-0", "digest": listed[0]["digest"]}]


def test_thresholds_and_card_of_models_are_public(api: httpx.Client) -> None:
    listed = {m["name"]: m for m in api.get("/v1/models").json()["models"]}
    for model in api.get("/v1/info").json()["models"]:
        assert set(model) == {"name", "task", "thresholds", "card", "max_pixels"}
        assert model["thresholds"] == listed[model["name"]]["thresholds"]
    manifest = read_manifest(MANIFESTS / "detector.yaml")
    assert manifest.card is not None
    detector = listed["detector"]
    assert detector["thresholds"] == manifest.thresholds.model_dump()
    assert detector["max_pixels"] == manifest.decode.max_pixels
    assert detector["card"] == manifest.card.model_dump(mode="json")


def test_metrics_count_requests(gateway: RunningGateway, api: httpx.Client) -> None:
    def count() -> float:
        lines = httpx.get(gateway.metrics_url, timeout=GUARD_S).text.splitlines()
        series = 'deepfake_requests_total{code="415",route="/v1/images"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(series))

    before = count()
    api.post("/v1/images", content=b"text")
    assert count() == before + 1
    text = api.get("/metrics").text
    for name in ("deepfake_replicas", "deepfake_jobs", "deepfake_model_info"):
        assert f"\n{name}{{" in text


def test_the_inference_protocol_is_proxied_over_grpc(
    gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    tensor = oip.ModelInferRequest.InferInputTensor(name="images", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(astronaut_jpeg)
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(oip.ServerReadyRequest()).ready
        assert stub.ModelMetadata(oip.ModelMetadataRequest(name="faces")).name == "faces"
        request = oip.ModelInferRequest(model_name="detector", inputs=[tensor])
        response = stub.ModelInfer(request)
        assert (
            response.outputs[1].contents.bytes_contents == [b"real"] or response.raw_output_contents
        )
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(oip.ModelInferRequest(model_name="cats", inputs=[tensor]))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(oip.ModelInferRequest(model_name="detector"))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "one input" in caught.value.details()
