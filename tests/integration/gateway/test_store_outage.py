"""An outage of the job store: images go on, jobs get 503, and probes never wait."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.published_schema import checked_client
from tests.support.redis_server import RedisServer, redis_program
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(redis_program(), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gateway(
    server: RunningServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    folder = tmp_path_factory.mktemp("gateway")
    settings = {"jobs": redis_server.url, "rate_limit": "100000/minute"}
    with RunningGateway.start(folder, routing=json.dumps({"pools": [pool]}), **settings) as running:
        yield running
        assert running.stop() == 0, running.tail()


@pytest.mark.parametrize("outage", ["killed", "hanging"])
def test_images_need_no_job_store(
    outage: str, gateway: RunningGateway, redis_server: RedisServer, astronaut_jpeg: bytes
) -> None:
    with checked_client(gateway.url, timeout=GUARD_S) as api:
        if outage == "killed":
            redis_server.kill()
        else:
            redis_server.process.send_signal(signal.SIGSTOP)
        try:
            gateway.wait_until(lambda: _degraded(api), 60, "degraded")
            _check_outage(gateway, api, astronaut_jpeg)
        finally:
            if outage == "killed":
                redis_server.start()
            else:
                redis_server.process.send_signal(signal.SIGCONT)
        gateway.wait_until(lambda: not _degraded(api), 60, "not degraded")
        assert api.get("/v1/jobs").status_code == 200
        assert _gauge(gateway, "deepfake_job_store_up") == 1


def _check_outage(gateway: RunningGateway, api: httpx.Client, image: bytes) -> None:
    assert api.get("/readyz").status_code == 200
    assert api.post("/v1/images", content=image).json()["verdict"] == "real"
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        response = DetectorStub(channel).DetectImage(pb.DetectImageRequest(image=image))
        assert response.verdict == pb.VERDICT_REAL
    problem_of(api.get("/v1/jobs"), 503, "upstream-unavailable")
    assert _gauge(gateway, "deepfake_job_store_up") == 0
    assert _gauge(gateway, "deepfake_ready") == 1


def _degraded(api: httpx.Client) -> bool:
    """Probes respond within the timeout of a Kubernetes probe, 3 s."""
    return bool(api.get("/readyz", timeout=3).json()["degraded"])


def _gauge(gateway: RunningGateway, name: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{gateway.ports['metrics']}/metrics", timeout=GUARD_S).text
    match = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert match, text
    return float(match[1])
