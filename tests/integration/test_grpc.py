"""`deepfake.v1.Detector`, health and reflection by gRPC; problems equal to those of REST."""

from __future__ import annotations

import re
import time
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.images import jpeg
from tests.support.requests import (
    BAD_IMAGES,
    MAX_BODY,
    MAX_ITEMS,
    problem_of,
    rpc_problem_of,
)
from tests.support.running import GUARD_S, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

DETECTOR, OIP = "deepfake.v1.Detector", "inference.GRPCInferenceService"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def at_work(server: RunningServer) -> bool:
    """Returns whether the detector has a request."""
    text = httpx.get(server.metrics_url, timeout=GUARD_S).text
    return 'deepfake_inflight_requests{model="detector"} 1.0' in text


def as_json(verdict: pb.ImageVerdict) -> dict[str, Any]:
    """Converts a verdict to REST's JSON, without fields that differ between calls."""
    word = pb.Verdict.Name
    known = verdict.HasField("fake_probability")
    return {
        "verdict": word(verdict.verdict).removeprefix("VERDICT_").lower(),
        "fake_probability": verdict.fake_probability if known else None,
        "faces": [
            {
                "box": [face.box.x1, face.box.y1, face.box.x2, face.box.y2],
                "landmarks": [[point.x, point.y] for point in face.landmarks],
                "detection_confidence": face.detection_confidence,
                "fake_probability": face.fake_probability,
                "verdict": word(face.verdict).removeprefix("VERDICT_").lower(),
                "models": {m: {"fake_probability": p} for m, p in face.models.items()},
                "heatmap": None,
            }
            for face in verdict.faces
        ],
        "width": verdict.width,
        "height": verdict.height,
        "model": {
            "name": verdict.model.name,
            "version": verdict.model.version,
            "digest": verdict.model.digest,
            "trained": verdict.model.trained,
        },
        "warnings": list(verdict.warnings),
        "provenance": None,
        "preview": verdict.preview or None,
    }


def by_rest(http: httpx.Client, image: bytes) -> dict[str, Any]:
    document = http.post("/predictions/detector", content=image).json()
    return {key: value for key, value in document.items() if key not in ("id", "timings_ms")}


# successes


@pytest.mark.parametrize("model", ["", "detector"])
@pytest.mark.parametrize("name", ["astronaut_jpeg", "three_faces_jpeg", "no_face_jpeg"])
def test_an_image_is_classified_as_over_rest(
    detector_stub: DetectorStub,
    http: httpx.Client,
    request: pytest.FixtureRequest,
    name: str,
    model: str,
) -> None:
    image = request.getfixturevalue(name)
    verdict = detector_stub.DetectImage(pb.DetectImageRequest(image=image, model=model))
    assert as_json(verdict) == by_rest(http, image)
    assert {"decode", "detect"} <= set(verdict.timings_ms)


def test_a_batch_is_classified_image_by_image(
    detector_stub: DetectorStub, http: httpx.Client, three_faces_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    images = [three_faces_jpeg, b"a text", no_face_jpeg]
    request = pb.DetectBatchRequest(images=images, id="mine")
    first, second, third = detector_stub.DetectBatch(request).results
    assert as_json(third.verdict) == by_rest(http, no_face_jpeg)
    assert len(first.verdict.faces) == 3
    assert second.WhichOneof("outcome") == "problem"
    assert second.problem.status == 415
    assert [first.verdict.id, second.problem.id, third.verdict.id] == ["mine.0", "mine.1", "mine.2"]


def test_a_batch_of_one_bad_image_is_a_batch(detector_stub: DetectorStub) -> None:
    (only,) = detector_stub.DetectBatch(pb.DetectBatchRequest(images=[b"a text"])).results
    assert only.problem.status == 415


def test_ids_and_traces_are_passed_on(
    detector_stub: DetectorStub, server: RunningServer, no_face_jpeg: bytes
) -> None:
    request = pb.DetectImageRequest(image=no_face_jpeg, id="in the message")
    metadata = (("x-request-id", "by-metadata"), ("traceparent", TRACE))
    verdict, call = detector_stub.DetectImage.with_call(request, metadata=metadata)
    assert verdict.id == dict(call.trailing_metadata())["x-request-id"] == "by-metadata"
    logged = server.wait_for_event("request", where=lambda e: e["id"] == "by-metadata")
    assert logged["traceparent"] == TRACE
    assert logged["route"] == f"/{DETECTOR}/DetectImage"
    request.id = "by-message"
    assert detector_stub.DetectImage(request).id == "by-message"


@pytest.mark.parametrize("given", ["", "a b", "é", "\x00", "a" * 129, "a" * 1_000_000])
def test_a_hostile_id_is_replaced(
    detector_stub: DetectorStub, no_face_jpeg: bytes, given: str
) -> None:
    verdict = detector_stub.DetectImage(pb.DetectImageRequest(image=no_face_jpeg, id=given))
    assert re.fullmatch("[0-9a-f]{32}", verdict.id)


def test_hostile_metadata_change_nothing(detector_stub: DetectorStub, no_face_jpeg: bytes) -> None:
    metadata = (
        ("x-request-id", "{}" * 500),
        ("traceparent", "00-zz"),
        ("x-request-timeout", "-1"),
        ("x-deepfake-options", '{"crops": 1}'),
        ("x-deepfake-deadline", "0"),
        ("anything-bin", bytes(range(256))),
        ("x-request-id-bin", b"\xff"),
    )
    request = pb.DetectImageRequest(image=no_face_jpeg)
    verdict = detector_stub.DetectImage(request, metadata=metadata)
    assert verdict.verdict == pb.VERDICT_NO_FACE
    assert re.fullmatch("[0-9a-f]{32}", verdict.id)


# refusals


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_gives_the_same_problem_as_rest(
    detector_stub: DetectorStub, http: httpx.Client, name: str
) -> None:
    content, status, slug = BAD_IMAGES[name]
    with pytest.raises(grpc.RpcError) as refusal:
        detector_stub.DetectImage(pb.DetectImageRequest(image=content))
    problem = rpc_problem_of(refusal.value, INVALID, status, slug)
    reported = problem_of(http.post("/predictions/detector", content=content), status, slug)
    assert (problem.type, problem.title, problem.detail) == (
        reported["type"],
        reported["title"],
        reported["detail"],
    )
    assert not problem.HasField("retry_after_s")


@pytest.mark.parametrize("method", ["DetectImage", "DetectBatch"])
@pytest.mark.parametrize("model", ["nobody", "n" * 1_000_000, "\x00\U0001f600" * 1000])
def test_an_unknown_model_is_not_found(
    detector_stub: DetectorStub, no_face_jpeg: bytes, model: str, method: str
) -> None:
    message: Any = (
        pb.DetectImageRequest(image=no_face_jpeg, model=model)
        if method == "DetectImage"
        else pb.DetectBatchRequest(images=[no_face_jpeg], model=model)
    )
    with pytest.raises(grpc.RpcError) as refusal:
        getattr(detector_stub, method)(message)
    problem = rpc_problem_of(refusal.value, grpc.StatusCode.NOT_FOUND, 404, "unknown-model")
    assert len(problem.detail.encode()) <= 503


@pytest.mark.parametrize("model", ["faces", "classifier"])
def test_a_model_that_is_not_a_detector_is_refused(
    detector_stub: DetectorStub, no_face_jpeg: bytes, model: str
) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        detector_stub.DetectImage(pb.DetectImageRequest(image=no_face_jpeg, model=model))
    rpc_problem_of(refusal.value, INVALID, 400, "invalid-request")


@pytest.mark.parametrize(
    ("count", "status", "slug"),
    [
        (0, 400, "invalid-request"),
        (MAX_ITEMS + 1, 413, "too-large"),
        (1_000_000, 413, "too-large"),
    ],
)
def test_an_empty_or_too_large_batch_is_refused(
    detector_stub: DetectorStub, count: int, status: int, slug: str
) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        detector_stub.DetectBatch(pb.DetectBatchRequest(images=[b""] * count), timeout=60)
    rpc_problem_of(refusal.value, INVALID, status, slug)


def test_an_image_over_the_limit_gives_the_same_problem_as_rest(
    detector_stub: DetectorStub, http: httpx.Client
) -> None:
    content = bytes(MAX_BODY + 1)
    with pytest.raises(grpc.RpcError) as refusal:
        detector_stub.DetectImage(pb.DetectImageRequest(image=content))
    problem = rpc_problem_of(refusal.value, INVALID, 413, "too-large")
    reported = problem_of(http.post("/predictions/detector", content=content), 413, "too-large")
    assert problem.detail == reported["detail"]


def test_a_message_far_over_the_limit_is_refused_by_grpc_itself(
    detector_stub: DetectorStub,
) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        detector_stub.DetectImage(pb.DetectImageRequest(image=bytes(2 * MAX_BODY)))
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def raw_call(channel: grpc.Channel, method: str, data: bytes) -> bytes:
    call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    response = call(data, timeout=60)
    assert isinstance(response, bytes)
    return response


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05a", b"\x12\x02\xff\xfe", b"\x0b" * 1000])
@pytest.mark.parametrize("method", [f"/{DETECTOR}/DetectImage", f"/{OIP}/ModelInfer"])
def test_an_invalid_message_is_a_client_error(
    channel: grpc.Channel, method: str, data: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        raw_call(channel, method, data)
    rpc_problem_of(refusal.value, INVALID, 400, "invalid-request")


@pytest.mark.parametrize("method", [f"/{DETECTOR}/Detect", "/nothing/Nothing", "/a", "/"])
def test_an_unknown_method_is_unimplemented(channel: grpc.Channel, method: str) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        raw_call(channel, method, b"")
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


# deadlines


def test_the_deadline_of_the_client_applies(
    detector_stub: DetectorStub, three_faces_jpeg: bytes
) -> None:
    request = pb.DetectImageRequest(image=three_faces_jpeg)
    for timeout in (0.001, 0.02):
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as refusal:
            detector_stub.DetectImage(request, timeout=timeout)
        assert refusal.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 20
    assert len(detector_stub.DetectImage(request, timeout=30).faces) == 3


def test_a_cancelled_request_affects_no_other(
    detector_stub: DetectorStub, server: RunningServer, three_faces_jpeg: bytes
) -> None:
    """A cancelled call is not a success; it is logged with status 499."""
    slow = pb.DetectImageRequest(image=jpeg(np.zeros((5000, 8000, 3), np.uint8)))
    call = detector_stub.DetectImage.future(slow, metadata=(("x-request-id", "cancelled"),))
    server.wait_until(lambda: at_work(server), GUARD_S, "at work")
    assert call.cancel()
    logged = server.wait_for_event("request", where=lambda e: e["id"] == "cancelled")
    assert logged["status"] == 499
    request = pb.DetectImageRequest(image=three_faces_jpeg)
    assert len(detector_stub.DetectImage(request).faces) == 3


# health and reflection


@pytest.mark.parametrize("service", ["", DETECTOR, OIP])
def test_health_is_serving(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert stub.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    watching = stub.Watch(request)
    assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
    watching.cancel()


def test_health_of_other_services_is_not_found(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as refusal:
        stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_shows_every_service_and_its_messages(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request_type = reflection_pb2.ServerReflectionRequest
    request = [request_type(list_services=""), request_type(file_containing_symbol=DETECTOR)]
    listed, file = stub.ServerReflectionInfo(iter(request))
    services = {service.name for service in listed.list_services_response.service}
    assert {DETECTOR, OIP, "grpc.health.v1.Health"} <= services
    assert any(
        b"DetectImageRequest" in proto
        for proto in file.file_descriptor_response.file_descriptor_proto
    )
