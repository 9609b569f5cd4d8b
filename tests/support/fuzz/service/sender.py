"""Sends cases to a gateway, as the kinds of requests that clients send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import httpx

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from tests.support.fuzz.mutation import mutated
from tests.support.fuzz.service.bodies import hostile_body
from tests.support.fuzz.service.calls import CallSender
from tests.support.fuzz.service.cases import Case, Kind
from tests.support.fuzz.service.connections import send_frames, send_head, send_websocket
from tests.support.fuzz.service.messages import UNARY
from tests.support.fuzz.service.uploads import upload
from tests.support.fuzz.service.urls import hostile_url
from tests.support.running import RunningGateway

_TIMEOUT_S = 120.0
_UNARY = (
    *(f"deepfake.v1.Detector/{name}" for name in UNARY),
    "inference.GRPCInferenceService/ModelInfer",
    "inference.GRPCInferenceService/ModelMetadata",
    "inference.GRPCInferenceService/RepositoryIndex",
)
_QUERIES = ("", "?explain=true", "?provenance=true", "?boxes=relative")


class Sender:
    """One client of a gateway, with an API key."""

    def __init__(self, gateway: RunningGateway, key: str, url_port: int) -> None:
        """`url_port` is that of `urls.responding`."""
        self._ports, self._key, self._url_port = gateway.ports, key, url_port
        self._http = httpx.AsyncClient(
            base_url=gateway.url, headers={"X-API-Key": key}, timeout=_TIMEOUT_S, trust_env=False
        )
        self._channel = grpc.aio.insecure_channel(gateway.grpc_target)
        self._calls = CallSender(self._channel, key)
        self.images: dict[int, bytes] = {}
        """Media by number, for the cases that name theirs by URL."""

    async def send(self, case: Case) -> str:
        """Returns the status of a case: of HTTP, of gRPC, of its job, or of its connection."""
        send: dict[Kind, Callable[[Case], Awaitable[str]]] = {
            "image": self._image,
            "video": self._video,
            "url": self._url,
            "message": self._message,
            "call": self._call,
            "frames": lambda c: send_frames(self._ports["grpc"], self._key, c.data, c.chance),
            "head": lambda c: send_head(self._ports["http"], self._key, c.chance),
            "websocket": lambda c: send_websocket(self._ports["http"], self._key, c.data, c.chance),
            "body": self._body,
            "upload": lambda c: upload(self._http, c.data, c.chance),
        }
        try:
            return await send[case.kind](case)
        except (OSError, TimeoutError, httpx.HTTPError) as error:
            return type(error).__name__

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
        await self._channel.close(None)

    async def _image(self, case: Case) -> str:
        path = "/v1/images" + case.chance.choice(_QUERIES)
        match case.chance.randrange(4):
            case 0:
                response = await self._http.post(path, files={"file": ("a.jpg", case.data)})
            case 1:
                files = [("file", (f"{n}.jpg", case.data)) for n in range(2)]
                response = await self._http.post("/v1/images/batch", files=files)
            case _:
                response = await self._http.post(path, content=case.data)
        return str(response.status_code)

    async def _video(self, case: Case) -> str:
        files = {"file": (case.name, case.data)}
        response = await self._http.post("/v1/videos?sampling=uniform:3", files=files)
        if response.status_code != 202:
            return str(response.status_code)
        return await self._ended(response.json()["links"]["self"])

    async def _ended(self, job: str) -> str:
        """Waits for the end of a job and deletes it; returns its state."""
        async with asyncio.timeout(_TIMEOUT_S):
            while (document := (await self._http.get(job)).json())["finished_at"] is None:
                await asyncio.sleep(0.5)
        await self._http.delete(job)
        return str(document["state"])

    async def _url(self, case: Case) -> str:
        self.images[case.number] = case.data
        url = hostile_url(self._url_port, case.number, case.chance)
        response = await self._http.post("/v1/images", json={"url": url})
        self.images.pop(case.number)
        return str(response.status_code)

    async def _body(self, case: Case) -> str:
        self.images[case.number] = case.data
        url = f"http://127.0.0.1:{self._url_port}/{case.number}"
        method, path, body = hostile_body(url, case.data, case.chance)
        response = await self._http.request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )
        self.images.pop(case.number)
        if response.status_code == 202:
            return await self._ended(response.json()["links"]["self"])
        return str(response.status_code)

    async def _call(self, case: Case) -> str:
        """Calls a method whose messages may name the image by URL."""
        self.images[case.number] = case.data
        url = hostile_url(self._url_port, case.number, case.chance)
        status = await self._calls.call(case.data, url, case.chance)
        self.images.pop(case.number)
        return status

    async def _message(self, case: Case) -> str:
        """Sends a message with a mutated image, mutated again, to a method."""
        message = pb.DetectImageRequest(image=case.data, model="detector", id="a")
        data = mutated(message.SerializeToString(), [], case.data, case.chance)
        call = self._channel.unary_unary(
            f"/{case.chance.choice(_UNARY)}",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        try:
            await call(data, metadata=(("x-api-key", self._key),), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"
