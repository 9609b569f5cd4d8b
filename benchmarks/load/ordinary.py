"""Ordinary clients of a gateway: images, batches, live frames and videos, each at a fixed rate."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc.aio
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from deepfake_serving.contracts.jobs import ENDED
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2, detector_pb2_grpc

_TIMEOUT_S, _POLL_S = 60, 1.0
_FAILURES = (httpx.HTTPError, grpc.aio.AioRpcError, WebSocketException, OSError)

Send = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Media:
    """Media that are sent: an encoded image, and a short video."""

    image: bytes
    video: bytes


@dataclass(slots=True)
class Measured:
    """The seconds and the statuses of one kind of requests."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


class OrdinaryClients:
    """Requests of every kind with one key."""

    def __init__(self, url: str, grpc_target: str, key: str, media: Media) -> None:
        self._url, self._target, self._key, self._media = url, grpc_target, key, media

    async def measure(self, seconds: float, rate: float) -> dict[str, Measured]:
        """Sends for some seconds, and waits for all responses.

        Args:
            rate: images a second; the other kinds are a fixed share of it.
        """
        headers = {"X-API-Key": self._key}
        async with (
            httpx.AsyncClient(base_url=self._url, headers=headers, timeout=_TIMEOUT_S) as client,
            grpc.aio.insecure_channel(self._target) as channel,
        ):
            stub = detector_pb2_grpc.DetectorStub(channel)
            live = LiveStream(self._url.replace("http", "ws", 1) + "/v1/stream", headers)

            async def image() -> str:
                return str((await client.post("/v1/images", content=self._media.image)).status_code)

            async def image_by_grpc() -> str:
                request = detector_pb2.DetectImageRequest(image=self._media.image)
                metadata = (("x-api-key", self._key),)
                await stub.DetectImage(request, metadata=metadata, timeout=_TIMEOUT_S)
                return "OK"

            async def batch() -> str:
                files = [("file", ("image.jpg", self._media.image, "image/jpeg"))] * 4
                response = await client.post("/v1/images/batch", files=files)
                return str(response.status_code)

            async def live_frame() -> str:
                return await live.analyse(self._media.image)

            async def video() -> str:
                submitted = await client.post("/v1/videos", content=self._media.video)
                if submitted.status_code != 202:
                    return str(submitted.status_code)
                job = f"/v1/jobs/{submitted.json()['id']}"
                while True:
                    state = str((await client.get(job)).json()["state"])
                    if state in ENDED:
                        await client.delete(job)
                        return state
                    await asyncio.sleep(_POLL_S)

            rates = {
                "image": (image, rate),
                "image by gRPC": (image_by_grpc, rate / 4),
                "batch of four": (batch, rate / 10),
                "live frame": (live_frame, rate / 2),
                "video": (video, rate / 60),
            }
            measured = {name: Measured() for name in rates}
            async with asyncio.TaskGroup() as kinds:
                for name, (send, each) in rates.items():
                    kinds.create_task(_repeat(send, each, seconds, measured[name]))
            await live.close()
            return measured


class LiveStream:
    """A stream, which is opened again after an hour, when the gateway ends it."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._connect = functools.partial(connect, url, additional_headers=headers)
        self._socket: ClientConnection | None = None
        self._one_at_once = asyncio.Lock()

    async def analyse(self, frame: bytes) -> str:
        """Sends an encoded frame; returns whether the response is a verdict."""
        async with self._one_at_once:
            if self._socket is None or self._socket.state is State.CLOSED:
                self._socket = await self._connect()
            await self._socket.send(frame)
            document = json.loads(await self._socket.recv())
            return "problem" if "problem" in document else "analysed"

    async def close(self) -> None:
        """Closes the stream."""
        if self._socket is not None:
            await self._socket.close()


async def _repeat(send: Send, rate: float, seconds: float, measured: Measured) -> None:
    """Sends at a fixed rate, whether earlier requests have ended or not."""

    async def one() -> None:
        begun = time.perf_counter()
        try:
            status = await send()
        except _FAILURES as error:
            status = type(error).__name__
        measured.seconds.append(time.perf_counter() - begun)
        measured.statuses[status] += 1

    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as requests:
        while time.monotonic() < end:
            requests.create_task(one())
            await asyncio.sleep(min(1 / rate, end - time.monotonic()))
