"""Each image of a batch and each frame of a stream is a result, over REST and gRPC alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import httpx
import pytest

from deepfake_serving.contracts.problems import UndecodableMedia, UpstreamUnavailable
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.gateway.context import Gateway
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

BATCH, STREAM = "/v1/images/batch", "/v1/stream"
GRPC_BATCH, GRPC_STREAM = (f"/deepfake.v1.Detector/Detect{kind}" for kind in ("Batch", "Stream"))
IMAGES = [b"good", b"damaged", b"unlucky", b"unlucky"]
EXPECTED = {"200": 1, "422": 1, "503": 2}


async def detect_image(image: bytes, *_: Any, **__: Any) -> bytes:
    if image == b"damaged":
        raise UndecodableMedia("the image is damaged")
    if image == b"unlucky":
        raise UpstreamUnavailable("a model server was lost")
    verdict = {"id": "", "verdict": "no_face", "fake_probability": None, "faces": []}
    model = {"name": "detector", "version": "1", "digest": None, "trained": True}
    shape = {"width": 1, "height": 1, "timings_ms": {}, "warnings": [], "provenance": None}
    return json.dumps(verdict | shape | {"model": model}).encode()


class Listening:
    """A gateway whose upstream is scripted, and its addresses."""

    def __init__(self, gateway: Gateway, ports: dict[str, int]) -> None:
        self.gateway = gateway
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.grpc = f"127.0.0.1:{ports['grpc']}"

    def counted(self, name: str, **labels: str) -> dict[str, float]:
        """Returns the values that are not 0, by their remaining label."""
        (family,) = (each for each in self.gateway.metrics.registry.collect() if each.name == name)
        return {
            next(v for k, v in sample.labels.items() if k not in labels): sample.value
            for sample in family.samples
            if sample.value and labels.items() <= sample.labels.items()
        }


@pytest.fixture
async def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    async with listening_gateway(tmp_path) as (gateway, ports):
        monkeypatch.setattr(gateway.upstream, "detector", lambda _=None: "detector")
        monkeypatch.setattr(gateway.upstream, "detect_image", detect_image)
        yield Listening(gateway, ports)


async def rest_batch(listening: Listening, images: Iterable[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=listening.http, timeout=GUARD_S) as client:
        files = [("file", (f"{n}.jpg", image)) for n, image in enumerate(images)]
        return await client.post(BATCH, files=files)


async def grpc_batch(listening: Listening, images: Iterable[bytes]) -> pb.DetectBatchResponse:
    async with grpc.aio.insecure_channel(listening.grpc) as channel:
        request = pb.DetectBatchRequest(images=list(images))
        response: pb.DetectBatchResponse = await DetectorStub(channel).DetectBatch(request)
        return response


async def websocket(listening: Listening, images: Iterable[bytes]) -> list[Any]:
    async with aiohttp.ClientSession() as session:
        headers = {"X-Request-ID": "mine"}
        async with session.ws_connect(listening.http + STREAM, headers=headers) as socket:
            assert socket._response.headers["X-Request-ID"] == "mine"
            messages = []
            for image in images:
                await socket.send_bytes(image)
                messages.append(await socket.receive_json())
            return messages


async def grpc_stream(listening: Listening, images: Iterable[bytes]) -> list[pb.StreamVerdict]:
    async with grpc.aio.insecure_channel(listening.grpc) as channel:
        stream = DetectorStub(channel).DetectStream(metadata=(("x-request-id", "mine"),))
        responses = []
        for image in images:
            await stream.write(pb.StreamFrame(image=image))
            responses.append(await stream.read())
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK
        return responses


@pytest.mark.parametrize(
    ("send", "route"),
    [
        (rest_batch, BATCH),
        (grpc_batch, GRPC_BATCH),
        (websocket, STREAM),
        (grpc_stream, GRPC_STREAM),
    ],
)
async def test_every_image_is_counted_by_its_status(
    listening: Listening, send: Any, route: str
) -> None:
    await send(listening, IMAGES)
    assert listening.counted("deepfake_results", route=route) == EXPECTED
    assert listening.counted("deepfake_problems") == {
        "undecodable-media": 1,
        "upstream-unavailable": 2,
    }


@pytest.mark.parametrize("send", [rest_batch, grpc_batch])
async def test_a_batch_that_fails_as_a_whole_is_one_result(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, send: Any
) -> None:
    def no_model(_: Any = None) -> str:
        raise UpstreamUnavailable("no model server is up")

    monkeypatch.setattr(listening.gateway.upstream, "detector", no_model)
    with contextlib.suppress(grpc.aio.AioRpcError):
        await send(listening, IMAGES)
    assert listening.counted("deepfake_problems") == {"upstream-unavailable": 1}
    route = BATCH if send is rest_batch else GRPC_BATCH
    assert listening.counted("deepfake_results", route=route) == {"503": 1}


async def test_problems_of_frames_have_the_ids_that_the_logs_have(listening: Listening) -> None:
    (message,) = await websocket(listening, [b"damaged"])
    assert message["problem"]["id"] == "mine.1"
    (response,) = await grpc_stream(listening, [b"damaged"])
    assert response.problem.id == "mine.1"


async def test_a_defect_in_a_websocket_is_a_failed_request(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(*_: Any, **__: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(listening.gateway.upstream, "detect_image", defect)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(listening.http + STREAM) as socket,
    ):
        await socket.send_bytes(b"good")
        assert (await socket.receive_json())["problem"]["status"] == 500
        assert (await socket.receive()).data == 1011
    assert listening.counted("deepfake_requests", route=STREAM) == {"500": 1}
    assert listening.counted("deepfake_results", route=STREAM) == {"500": 1}
