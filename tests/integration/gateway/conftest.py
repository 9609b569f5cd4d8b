"""A real gateway with its worker, in front of the real model server that all tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.published_schema import checked_client
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video

MAX_IMAGE = 4 * 2**20
MAX_VIDEO = 16 * 2**20


@pytest.fixture(scope="session")
def gateway(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """Ends with exit code 0 and nothing left behind."""
    data = tmp_path_factory.mktemp("gateway")
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    with RunningGateway.start(
        data,
        routing=json.dumps({"pools": [pool]}),
        max_image_bytes=MAX_IMAGE,
        max_video_bytes=MAX_VIDEO,
        max_batch_items=4,
        fetch_private="127.0.0.0/8",
        webhook_secret="whsec_" + "c2VjcmV0" * 4,
        lease_s=2,
        live_idle_timeout_s=2,
    ) as running:
        yield running
        assert running.process.poll() is None, running.tail()
        assert running.stop() == 0, running.tail()
        assert running.leftovers() == []


@pytest.fixture(scope="module")
def no_defects(gateway: RunningGateway) -> Iterator[None]:
    """Around a module of requests, however bad: no process dies and no defect is logged."""
    servers, lines = gateway.servers(), len(gateway.lines)
    yield
    assert gateway.servers() == servers
    events = [json.loads(line) for line in gateway.lines[lines:]]
    assert [event for event in events if event["level"] in ("error", "critical")] == []


@pytest.fixture(scope="session")
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with checked_client(gateway.url, timeout=GUARD_S) as client:
        yield client


@pytest.fixture(scope="session")
def stub(gateway: RunningGateway) -> Iterator[DetectorStub]:
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        yield DetectorStub(channel)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots: one face, none, two."""
    return write_video(tmp_path_factory.mktemp("videos") / "scenes.mp4", scenes())
