"""Metrics: exactly the documented ones, the same for both protocols, with few label values."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip_pb
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from tests.support.images import jpeg
from tests.support.paths import MODELS, ROOT
from tests.support.requests import encoded, infer_message
from tests.support.running import GUARD_S, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

Sample = tuple[str, tuple[tuple[str, str], ...]]
TEXT = b"a text"
PROCESS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
}


def scrape(server: RunningServer) -> Counter[Sample]:
    """Returns every sample by name and labels."""
    response = httpx.get(server.metrics_url, timeout=GUARD_S)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.text)
    samples: Counter[Sample] = Counter()
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            samples[key] = sample.value  # type: ignore[assignment]  # a float
    return samples


def completed(samples: Counter[Sample]) -> float:
    return sum(v for (name, _), v in samples.items() if name == "deepfake_requests_total")


def rise(server: RunningServer, calls: list[Callable[[], Any]]) -> dict[Sample, float]:
    """Returns the metrics that the calls, which may raise, increased."""
    before = scrape(server)
    for call in calls:
        with contextlib.suppress(grpc.RpcError):
            call()
    end = time.monotonic() + GUARD_S
    while completed(after := scrape(server)) < completed(before) + len(calls):
        assert time.monotonic() < end
        time.sleep(0.05)
    return {key: value - before[key] for key, value in after.items() if value != before[key]}


def comparable(risen: dict[Sample, float], routes: dict[str, str]) -> dict[Sample, float]:
    """Removes samples that depend on time, and maps routes of both protocols to common names."""
    kept = {}
    for (name, labels), value in risen.items():
        timed = "duration" in name and not name.endswith("_count")
        if timed or not name.startswith("deepfake_"):
            continue
        named = {key: routes.get(v, v) if key == "route" else v for key, v in labels}
        kept[name, tuple(sorted(named.items()))] = round(value, 6)
    return kept


def test_rest_and_grpc_requests_are_counted_alike(
    server: RunningServer,
    http: httpx.Client,
    detector_stub: DetectorStub,
    oip_stub: GRPCInferenceServiceStub,
    three_faces_jpeg: bytes,
    no_face_jpeg: bytes,
) -> None:
    detect, infer = "/predictions/detector", "/v2/models/{}/infer"
    by_rest = [
        lambda: http.post(detect, content=three_faces_jpeg),
        lambda: http.post(detect, content=no_face_jpeg),
        lambda: http.post(detect, content=TEXT),
        lambda: http.post(detect, content=b""),
        lambda: http.post("/predictions/nobody", content=TEXT),
        lambda: http.post(
            infer.format("detector"), json=encoded(three_faces_jpeg, TEXT, no_face_jpeg)
        ),
        lambda: http.post(infer.format("detector"), json=encoded(TEXT)),
        lambda: http.post(infer.format("faces"), json=encoded(three_faces_jpeg, no_face_jpeg)),
        lambda: http.post(infer.format("classifier"), json=encoded(no_face_jpeg, name="crops")),
        lambda: http.post(infer.format("detector"), json=encoded(TEXT, name="nothing")),
        lambda: http.get("/v2/models/faces"),
    ]
    image = pb.DetectImageRequest
    by_grpc = [
        lambda: detector_stub.DetectImage(image(image=three_faces_jpeg)),
        lambda: detector_stub.DetectImage(image(image=no_face_jpeg)),
        lambda: detector_stub.DetectImage(image(image=TEXT)),
        lambda: detector_stub.DetectImage(image()),
        lambda: detector_stub.DetectImage(image(image=TEXT, model="nobody")),
        lambda: oip_stub.ModelInfer(infer_message(three_faces_jpeg, TEXT, no_face_jpeg)),
        lambda: oip_stub.ModelInfer(infer_message(TEXT)),
        lambda: oip_stub.ModelInfer(infer_message(three_faces_jpeg, no_face_jpeg, model="faces")),
        lambda: oip_stub.ModelInfer(infer_message(no_face_jpeg, model="classifier", name="crops")),
        lambda: oip_stub.ModelInfer(infer_message(TEXT, name="nothing")),
        lambda: oip_stub.ModelMetadata(oip_pb.ModelMetadataRequest(name="faces")),
    ]
    rest = comparable(
        rise(server, by_rest),
        {
            "/predictions/{model}": "predict",
            "/v2/models/{model}/infer": "infer",
            "/v2/models/{model}": "metadata",
        },
    )
    rpc = comparable(
        rise(server, by_grpc),
        {
            "/deepfake.v1.Detector/DetectImage": "predict",
            "/inference.GRPCInferenceService/ModelInfer": "infer",
            "/inference.GRPCInferenceService/ModelMetadata": "metadata",
        },
    )
    assert rest == rpc

    def of(name: str, **labels: str) -> float:
        return rest.get((name, tuple(sorted(labels.items()))), 0)

    predict, infer_route = {"route": "predict"}, {"route": "infer"}
    assert of("deepfake_requests_total", **predict, code="200") == 2
    assert of("deepfake_requests_total", **predict, code="415") == 1
    assert of("deepfake_requests_total", **predict, code="400") == 1
    assert of("deepfake_requests_total", **predict, code="404") == 1
    duration = "deepfake_request_duration_seconds_count"
    assert of(duration, **predict, outcome="answered") == 2
    assert of(duration, **predict, outcome="refused") == 3
    assert of("deepfake_requests_total", **infer_route, code="200") == 3
    assert of("deepfake_requests_total", **infer_route, code="415") == 1
    assert of("deepfake_requests_total", **infer_route, code="400") == 1
    assert of("deepfake_problems_total", type="unsupported-media-type") == 3
    assert of("deepfake_problems_total", type="invalid-request") == 2
    assert of("deepfake_problems_total", type="unknown-model") == 1
    detector, faces = {"model": "detector"}, {"model": "faces"}
    assert of("deepfake_faces_per_image_count", **detector) == 4
    assert of("deepfake_faces_per_image_sum", **detector) == 6
    assert of("deepfake_faces_per_image_sum", **faces) == 3
    assert of("deepfake_score_count", **detector) == 6
    assert of("deepfake_score_count", model="classifier") == 1
    assert of("deepfake_verdicts_total", **detector, verdict="no_face") == 2
    assert sum(v for (name, _), v in rest.items() if name == "deepfake_verdicts_total") == 5
    batches = of("deepfake_batch_size_count", **detector)
    assert batches == 5  # the empty image over REST never reached a worker
    assert of("deepfake_batch_size_sum", **detector) == 7
    assert of("deepfake_stage_duration_seconds_count", **detector, stage="decode") == batches


def documented(server: str) -> dict[str, tuple[str, set[str]]]:
    """Returns type and labels by name, from the server's table in the documentation."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    text = page.split(f"## {server}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(deepfake_\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_metrics_are_exactly_the_documented_ones(
    server: RunningServer, http: httpx.Client, no_face_jpeg: bytes, three_faces_jpeg: bytes
) -> None:
    for image in (no_face_jpeg, three_faces_jpeg, TEXT):
        http.post("/predictions/detector", content=image)
    exposed = {}
    for family in text_string_to_metric_families(
        httpx.get(server.metrics_url, timeout=GUARD_S).text
    ):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert family.documentation
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        exposed[name] = (family.type, labels)
    assert {name for name in exposed if not name.startswith("deepfake_")} == PROCESS
    expected = documented("Model server")
    del expected["deepfake_certificate_expiry_timestamp_seconds"]  # with TLS: see test_tls.py
    assert {n: v for n, v in exposed.items() if n.startswith("deepfake_")} == expected


def test_gauges_show_the_current_state(server: RunningServer) -> None:
    at_work = [("deepfake_inflight_requests", (("model", model),)) for model in MODELS]
    server.wait_until(lambda: not any(map(scrape(server).get, at_work)), GUARD_S, "idle")
    samples = scrape(server)
    for model in MODELS:
        key = (("model", model),)
        assert samples["deepfake_queue_depth", key] == 0
        assert samples["deepfake_inflight_requests", key] == 0
        assert samples["deepfake_workers", (*key, ("state", "ready"))] == 1
        assert samples["deepfake_workers", (*key, ("state", "wanted"))] == 1
        assert samples["deepfake_upstream_retries_total", key] == 0
    assert samples["deepfake_ready", ()] == 1
    assert samples["deepfake_torchserve_restarts_total", ()] == 0
    infos = [dict(labels) for name, labels in samples if name == "deepfake_model_info"]
    assert {info["model"]: info["trained"] for info in infos} == {
        "detector": "true",
        "faces": "true",
        "classifier": "true",
    }


def test_clients_cannot_create_new_series(
    server: RunningServer,
    http: httpx.Client,
    detector_stub: DetectorStub,
    channel: grpc.Channel,
) -> None:
    def calls(n: int) -> list[Callable[[], Any]]:
        rpc = pb.DetectImageRequest(model=f"model-{n}", id=str(n))
        named = {"X-Request-ID": f"id-{n}"}
        return [
            lambda: http.get(f"/path/{n}"),
            lambda: http.post(f"/predictions/model-{n}", content=TEXT),
            lambda: http.post(f"/predictions/detector/2{n}", content=TEXT),
            lambda: http.get(f"/v2/models/model-{n}/ready"),
            lambda: http.request("PROPFIND", f"/predictions/detector/{n}"),
            lambda: http.post("/predictions/detector", content=TEXT, headers=named),
            lambda: detector_stub.DetectImage(rpc),
        ]

    known = []
    for n in range(6):
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(f"/deepfake.v1.Detector/Method{n}")(b"")  # not counted
        rise(server, calls(n))
        known.append(set(scrape(server)))
    before = known[0]
    assert known[-1] == before
    routes = {dict(labels)["route"] for name, labels in before if "requests_total" in name}
    assert "unmatched" in routes
    assert not any(re.search(r"/\d|model-|Method", route) for route in routes)


def test_probes_are_not_counted(
    server: RunningServer, http: httpx.Client, oip_stub: GRPCInferenceServiceStub
) -> None:
    before = completed(scrape(server))
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        http.get(path)
    oip_stub.ServerLive(oip_pb.ServerLiveRequest())
    oip_stub.ServerReady(oip_pb.ServerReadyRequest())
    time.sleep(0.2)
    assert completed(scrape(server)) == before


def test_a_client_that_disconnects_is_counted_as_499(server: RunningServer) -> None:
    gone: Sample = (
        "deepfake_requests_total",
        (("code", "499"), ("route", "/predictions/{model}")),
    )
    at_work: Sample = ("deepfake_inflight_requests", (("model", "detector"),))
    image = jpeg(np.zeros((5000, 8000, 3), np.uint8))
    head = f"POST /predictions/detector HTTP/1.1\r\nHost: t\r\nContent-Length: {len(image)}"
    before = scrape(server)[gone]
    with socket.create_connection(
        ("127.0.0.1", server.ports["http"]), timeout=GUARD_S
    ) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + image)
        server.wait_until(lambda: scrape(server)[at_work] == 1, GUARD_S, "at work")
    server.wait_until(lambda: scrape(server)[gone] == before + 1, GUARD_S, "counted")


def test_the_metrics_port_serves_only_metrics(server: RunningServer) -> None:
    base = server.metrics_url.removesuffix("/metrics")
    assert httpx.get(base + "/", timeout=GUARD_S).status_code == 404
    assert (
        httpx.post(base + "/predictions/detector", content=b"x", timeout=GUARD_S).status_code == 404
    )
