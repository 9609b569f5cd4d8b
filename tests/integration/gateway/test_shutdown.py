"""Streams without an end of their own, when their gateway stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.integration.gateway.test_image_jobs import submit
from tests.support.requests import rpc_problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration

NEVER_WITHIN_TEST = 3600


@pytest.fixture
def gateway(server: RunningServer, tmp_path: Path) -> Iterator[RunningGateway]:
    """Waits for requests in flight for much longer than the test takes; it runs no job."""
    settings = {"drain_timeout_s": NEVER_WITHIN_TEST, "embedded_worker": "false"}
    with RunningGateway.start(tmp_path, server.url, **settings) as running:
        yield running


def test_streams_do_not_hold_up_a_stop(gateway: RunningGateway, astronaut_jpeg: bytes) -> None:
    """Each ends in another way than at the end of its job or its frames."""
    begun, over = threading.Semaphore(0), threading.Event()

    def frames() -> Iterator[pb.StreamFrame]:
        yield pb.StreamFrame(image=astronaut_jpeg)
        over.wait()

    def read(stream: Iterator[object]) -> None:
        for _ in stream:
            begun.release()

    with (
        httpx.Client(base_url=gateway.url, timeout=GUARD_S) as api,
        grpc.insecure_channel(gateway.grpc_target) as channel,
        connect(gateway.url.replace("http", "ws") + "/v1/stream") as socket,
        ThreadPoolExecutor() as threads,
    ):
        job = submit(api, astronaut_jpeg)["id"]
        stub = DetectorStub(channel)
        request = health_pb2.HealthCheckRequest()
        health = health_pb2_grpc.HealthStub(channel).Watch(request)
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        calls = [stub.WatchJob(pb.JobRequest(id=job)), stub.DetectStream(frames())]
        streams = [threads.submit(read, call) for call in calls]
        with api.stream("GET", f"/v1/jobs/{job}/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: progress"
            assert all(begun.acquire(timeout=GUARD_S) for _ in calls)
            gateway.signal(signal.SIGTERM)
            assert "event: end" not in list(lines)
        for reading in streams:
            error = reading.exception(GUARD_S)
            assert isinstance(error, grpc.RpcError)
            problem = rpc_problem_of(error, grpc.StatusCode.UNAVAILABLE, 503, "not-ready")
            assert "the gateway is stopping" in problem.detail
        over.set()
        assert {each.status for each in health} <= {health_pb2.HealthCheckResponse.NOT_SERVING}
        with pytest.raises(ConnectionClosedError):
            socket.recv(GUARD_S)
        assert socket.close_code == 1012, "service restart"
        assert gateway.wait() == 0
    ended = {e["route"]: e["status"] for e in gateway.events("request")}
    assert ended["/deepfake.v1.Detector/WatchJob"] == 200, "nothing failed"
    assert ended["/deepfake.v1.Detector/DetectStream"] == 200


def test_a_second_signal_drops_what_is_in_flight(gateway: RunningGateway) -> None:
    def options() -> Iterator[pb.SubmitVideoRequest]:
        yield pb.SubmitVideoRequest(options=pb.VideoOptions(name="film.mp4"))
        begun.set()
        over.wait()

    begun, over = threading.Event(), threading.Event()
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        upload = DetectorStub(channel).SubmitVideo.future(options())
        assert begun.wait(GUARD_S)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for_event("draining")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(GUARD_S) == 0
        over.set()
        assert upload.code() is grpc.StatusCode.UNAVAILABLE
