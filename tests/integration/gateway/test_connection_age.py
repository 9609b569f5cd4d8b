"""gRPC clients reconnect when a connection reaches its maximum age, and lose no call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("age_s", "connections"), [(1, 4), (0, 1)])
def test_old_connections_end_without_ending_a_call(
    server: RunningServer, tmp_path: Path, astronaut_jpeg: bytes, age_s: int, connections: int
) -> None:
    """Calls for three seconds, and until there were so many connections."""
    seen: list[grpc.ChannelConnectivity] = []
    settings = {"grpc_connection_age_s": age_s, "embedded_worker": "false"}
    with RunningGateway.start(tmp_path, server.url, **settings) as gateway:
        options = [("grpc.enable_retries", 0)]
        with grpc.insecure_channel(gateway.grpc_target, options) as channel:
            channel.subscribe(seen.append)
            stub, started = DetectorStub(channel), time.monotonic()
            while time.monotonic() < started + 3 or _connections(seen) < connections:
                assert stub.DetectImage(pb.DetectImageRequest(image=astronaut_jpeg)).faces
                time.sleep(0.1)
                assert time.monotonic() < started + GUARD_S
            took_s = time.monotonic() - started
        assert gateway.stop() == 0
    assert connections <= _connections(seen) <= 1 + 2 * age_s * took_s


def _connections(seen: list[grpc.ChannelConnectivity]) -> int:
    return seen.count(grpc.ChannelConnectivity.READY)


def test_a_stream_outlives_the_maximum_age_of_its_connection(
    server: RunningServer, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    responded = threading.Semaphore(0)

    def frames() -> Iterator[pb.StreamFrame]:
        for _ in range(8):
            time.sleep(0.5)
            yield pb.StreamFrame(image=astronaut_jpeg)
            assert responded.acquire(timeout=GUARD_S)

    def numbers(responses: Iterable[pb.StreamVerdict]) -> Iterator[int]:
        for response in responses:
            yield response.frame
            responded.release()

    settings = {"grpc_connection_age_s": 1, "embedded_worker": "false"}
    with RunningGateway.start(tmp_path, server.url, **settings) as gateway:
        with grpc.insecure_channel(gateway.grpc_target) as channel:
            frame_numbers = list(numbers(DetectorStub(channel).DetectStream(frames())))
        assert gateway.stop() == 0
    assert frame_numbers == list(range(1, 9))
