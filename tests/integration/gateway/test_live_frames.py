"""Live frames over WebSocket and gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.integration.gateway.conftest import MAX_IMAGE
from tests.support.running import GUARD_S, RunningGateway

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]


@pytest.fixture
async def socket(gateway: RunningGateway) -> AsyncIterator[ClientConnection]:
    url = gateway.url.replace("http", "ws") + "/v1/stream"
    async with websockets.connect(url, max_size=None) as connection:
        yield connection


async def read_all(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(120):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


async def test_each_frame_gets_a_smoothed_score(
    socket: ClientConnection, astronaut_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    for number, image in enumerate([astronaut_jpeg, b"no image", no_face_jpeg], 1):
        await socket.send(image)
        message = await read_all(socket)
        assert (message["frame"], message["dropped"]) == (number, 0)
        if number == 1:
            first = message
    assert first["smoothed"] == first["verdict"]["fake_probability"]
    assert message["verdict"]["verdict"] == "no_face"
    assert message["smoothed"] == first["smoothed"], "no face changes nothing"


async def test_a_problem_with_a_frame_does_not_end_the_stream(
    socket: ClientConnection, astronaut_jpeg: bytes
) -> None:
    await socket.send(b"no image")
    assert (await read_all(socket))["problem"]["status"] == 415
    await socket.send(astronaut_jpeg)
    assert (await read_all(socket))["verdict"]["verdict"] == "real"


async def test_frames_that_arrive_too_fast_are_dropped_and_counted(
    socket: ClientConnection, astronaut_jpeg: bytes
) -> None:
    for _ in range(60):
        await socket.send(astronaut_jpeg)
    numbers = []
    while not numbers or numbers[-1] < 60:
        message = await read_all(socket)
        numbers.append(message["frame"])
    assert numbers == sorted(numbers)
    assert message["dropped"] == 60 - len(numbers) > 0


async def test_an_idle_stream_ends(socket: ClientConnection) -> None:
    async with asyncio.timeout(120):
        await socket.wait_closed()
    assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("sent", "code"),
    [("text", 1008), (b"", 1008), (bytes(MAX_IMAGE + 2), 1009)],
    ids=["text", "empty", "large"],
)
async def test_an_invalid_frame_ends_a_stream(
    socket: ClientConnection, sent: str | bytes, code: int
) -> None:
    await socket.send(sent)
    with contextlib.suppress(websockets.ConnectionClosedError):
        async with asyncio.timeout(120):
            async for _ in socket:
                pass
    assert socket.close_code == code


async def test_frames_are_streamed_over_grpc(
    gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    async def frames() -> AsyncIterator[pb.StreamFrame]:
        for image in (astronaut_jpeg, b"no image", astronaut_jpeg):
            yield pb.StreamFrame(image=image)
            await asyncio.sleep(0.2)

    async with grpc.aio.insecure_channel(gateway.grpc_target) as channel:
        responses = [a async for a in DetectorStub(channel).DetectStream(frames())]
    assert [a.WhichOneof("outcome") for a in responses] == ["verdict", "problem", "verdict"]
    assert responses[0].smoothed == pytest.approx(responses[0].verdict.fake_probability, abs=1e-6)
    assert responses[1].problem.status == 415


async def test_a_client_that_reads_no_response_over_grpc_loses_its_session(
    gateway: RunningGateway,
) -> None:
    async def wait_until_open(streams: int) -> None:
        async with asyncio.timeout(GUARD_S), httpx.AsyncClient(timeout=GUARD_S) as http:
            expected = f"deepfake_streams {streams}.0"
            while expected not in (await http.get(gateway.metrics_url)).text.splitlines():
                await asyncio.sleep(0.1)

    async def send() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await call.write(pb.StreamFrame(image=b"no image"))
                await asyncio.sleep(0.001)

    # On a busy machine a probe would widen the client's window to many megabytes of responses.
    options = [("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(gateway.grpc_target, options=options) as channel:
        call = DetectorStub(channel).DetectStream()
        sending = asyncio.create_task(send())
        await wait_until_open(1)
        await wait_until_open(0)
        assert not call.done(), "it has more to read"
        sending.cancel()
        await sending


async def test_a_client_may_close_a_stream(gateway: RunningGateway, astronaut_jpeg: bytes) -> None:
    url = gateway.url.replace("http", "ws") + "/v1/stream"
    async with websockets.connect(url) as connection:
        await connection.send(astronaut_jpeg)
