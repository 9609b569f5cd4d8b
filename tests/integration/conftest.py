"""One real server with a real TorchServe below it, shared by all integration tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from deepfake_serving.packaging.archive import Archive
from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.requests import MAX_BODY, MAX_ITEMS
from tests.support.running import GUARD_S, RunningServer


@pytest.fixture(scope="session")
def archive_folder(archives: dict[str, Archive]) -> Path:
    """The folder that holds the .mar of every model."""
    return archives["detector"].path.parent


@pytest.fixture(scope="session")
def server(archive_folder: Path) -> Iterator[RunningServer]:
    """All three models with one worker each; ends with exit code 0 and nothing left behind."""
    with RunningServer.start(
        archive_folder, max_body_bytes=MAX_BODY, max_items=MAX_ITEMS
    ) as running:
        yield running
        assert running.process.poll() is None, running.tail()
        assert len(running.workers()) == 3
        assert running.stop() == 0, running.tail()
        assert running.leftovers() == []


@pytest.fixture(scope="module")
def unhurt(server: RunningServer) -> Iterator[None]:
    """Around a module of requests, however bad: no process dies and no defect is logged."""
    java, workers, lines = server.java(), server.workers(), len(server.lines)
    assert len(workers) == 3
    yield
    assert server.java() == java
    assert server.workers() == workers
    assert server.readyz().status_code == 200
    events = [json.loads(line) for line in server.lines[lines:]]
    assert [event for event in events if event["level"] in ("error", "critical")] == []


@pytest.fixture(scope="session")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=GUARD_S) as client:
        yield client


@pytest.fixture(scope="session")
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    unbounded = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc_target, options=unbounded) as channel:
        yield channel


@pytest.fixture(scope="session")
def detector_stub(channel: grpc.Channel) -> DetectorStub:
    return DetectorStub(channel)


@pytest.fixture(scope="session")
def oip_stub(channel: grpc.Channel) -> GRPCInferenceServiceStub:
    return GRPCInferenceServiceStub(channel)


@pytest.fixture(scope="session")
def three_faces_jpeg(three_faces: Pixels) -> bytes:
    return jpeg(three_faces)


@pytest.fixture(scope="session")
def no_face_jpeg(no_face: Pixels) -> bytes:
    return jpeg(no_face)
