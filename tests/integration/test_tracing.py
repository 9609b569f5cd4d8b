"""Traces received by a collector: spans of client, gateway, model server and its stages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video

pytestmark = pytest.mark.integration

TRACE, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """A collector that receives OTLP over HTTP and stores the spans of each service."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[tuple[str, Span]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.server.spans += [(attributes["service.name"], each) for each in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_trace_spans_from_the_client_to_the_stages(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    archive_folder: Path,
    tmp_path: Path,
    astronaut_jpeg: bytes,
) -> None:
    video = write_video(tmp_path / "scenes.mp4", scenes())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    parent = f"00-{TRACE}-{CLIENT}-01"
    with RunningServer.start(archive_folder, models="detector") as server:
        routing = f'{{"pools": [{{"name": "cpu", "url": "{server.url}"}}]}}'
        with RunningGateway.start(tmp_path, routing=routing) as gateway:
            response = httpx.post(
                f"{gateway.url}/v1/images",
                content=astronaut_jpeg,
                headers={"Content-Type": "image/jpeg", "traceparent": parent},
                timeout=GUARD_S,
            )
            assert response.status_code == 200
            with grpc.insecure_channel(gateway.grpc_target) as channel:
                DetectorStub(channel).DetectImage(
                    pb.DetectImageRequest(image=astronaut_jpeg), metadata=(("traceparent", parent),)
                )
            job = httpx.post(
                f"{gateway.url}/v1/videos",
                content=video.read_bytes(),
                params={"sampling": "uniform:2"},
                headers={"traceparent": parent},
                timeout=GUARD_S,
            ).json()
            end = time.monotonic() + 60
            while job["state"] != "succeeded" and time.monotonic() < end:
                time.sleep(0.1)
                job = httpx.get(f"{gateway.url}{job['links']['self']}", timeout=GUARD_S).json()
            assert job["state"] == "succeeded"
            assert gateway.stop() == 0
        assert server.stop() == 0
    spans = [(s, each) for s, each in collector.spans if each.trace_id.hex() == TRACE]
    for route in ("/v1/images", "/deepfake.v1.Detector/DetectImage"):
        (above,) = (e for s, e in spans if (s, e.name) == ("deepfake-gateway", route))
        assert above.parent_span_id.hex() == CLIENT
        (below,) = (
            e
            for s, e in spans
            if s == "deepfake-model-server" and e.parent_span_id == above.span_id
        )
        assert below.name == "/predictions/{model}"
        stages = [e for _, e in spans if e.parent_span_id == below.span_id]
        assert {"decode", "detect", "classify"} <= {stage.name for stage in stages}
        assert all(s.end_time_unix_nano > s.start_time_unix_nano for s in stages)
        took = {a.key: a.value for a in above.attributes}
        assert took["http.response.status_code"].int_value == 200
        assert took["deepfake.model"].string_value == "detector"
    (submitted,) = (e for _, e in spans if e.name == "/v1/videos")
    (work,) = (e for s, e in spans if (s, e.name) == ("deepfake-worker", "video job"))
    assert work.parent_span_id == submitted.span_id
    assert work.kind == Span.SPAN_KIND_CONSUMER
    reported = {a.key: a.value for a in work.attributes}
    assert reported["deepfake.job"].string_value == job["id"]
    batches = [e for s, e in spans if e.parent_span_id == work.span_id]
    assert {e.name for e in batches} == {"/v2/models/{model}/infer"}
    others = [e for _, e in collector.spans if e.name == "/v1/jobs/{job_id}"]
    assert others
    assert TRACE not in {other.trace_id.hex() for other in others}
    assert not [each.name for _, each in collector.spans if each.name in ("/readyz", "/healthz")]
