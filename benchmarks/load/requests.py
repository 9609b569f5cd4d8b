"""Clients for each protocol: send an image, return the number of faces in the response."""

from __future__ import annotations

import base64
import importlib
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import grpc.aio
import orjson

from benchmarks.load.process_pool import Pool
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2, detector_pb2_grpc

CountFaces = Callable[[bytes], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint. `address` is a URL, host:port for gRPC, or an archive for `direct`."""

    protocol: Literal["rest", "form", "base64", "rpc", "torchserve-rpc", "direct"]
    address: str
    unix: str | None = None
    """A Unix socket to connect to instead of the URL's host."""
    processes: int = 1
    threads: int = 1
    """Used by `direct` only."""


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[CountFaces]:
    """Yields a client whose connections stay open within the context."""
    match target.protocol:
        case "rest" | "form" | "base64":
            connection = _rest(target)
        case "rpc":
            connection = _rpc(target)
        case "torchserve-rpc":
            connection = _torchserve_rpc(target)
        case "direct":
            connection = _direct(target)
    async with connection as count_faces:
        yield count_faces


@asynccontextmanager
async def _rest(target: Target) -> AsyncIterator[CountFaces]:
    content_type, body_of = _BODIES[target.protocol]
    connector = (
        aiohttp.UnixConnector(target.unix, limit=0)
        if target.unix
        else aiohttp.TCPConnector(limit=0)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"Content-Type": content_type},
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    ) as session:

        async def count_faces(image: bytes) -> int:
            async with session.post(target.address, data=body_of(image)) as response:
                return _parse_count(response.status, await response.read())

        yield count_faces


@asynccontextmanager
async def _rpc(target: Target) -> AsyncIterator[CountFaces]:
    async with grpc.aio.insecure_channel(target.address) as channel:
        stub = detector_pb2_grpc.DetectorStub(channel)

        async def count_faces(image: bytes) -> int:
            return len((await stub.DetectImage(detector_pb2.DetectImageRequest(image=image))).faces)

        yield count_faces


@asynccontextmanager
async def _torchserve_rpc(target: Target) -> AsyncIterator[CountFaces]:
    messages: Any = importlib.import_module("inference_pb2")
    stubs: Any = importlib.import_module("inference_pb2_grpc")
    async with grpc.aio.insecure_channel(target.address) as channel:
        stub = stubs.InferenceAPIsServiceStub(channel)

        async def count_faces(image: bytes) -> int:
            request = messages.PredictionsRequest(model_name="detector", input={"data": image})
            return _parse_count(200, (await stub.Predictions(request)).prediction)

        yield count_faces


@asynccontextmanager
async def _direct(target: Target) -> AsyncIterator[CountFaces]:
    yield Pool.of(Path(target.address), target.processes, target.threads).faces


def compile_torchserve_protos(folder: Path) -> None:
    """Generates gRPC stubs from the .proto files in TorchServe's jar."""
    package = _folder_of("ts")
    with zipfile.ZipFile(package / "frontend" / "model-server.jar") as jar:
        (folder / "inference.proto").write_bytes(jar.read("proto/inference.proto"))
    include = _folder_of("google.rpc").parent.parent
    outputs = [f"--{plugin}_out={folder}" for plugin in ("python", "grpc_python")]
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{folder}", f"-I{include}"),
            *outputs,
            "inference.proto",
        ],
        check=True,
        timeout=60,
    )


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


_BOUNDARY = "c5a41f0e7a3c4d9b"


def _form(image: bytes) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
        'Content-Disposition: form-data; name="file"; filename="image.jpg"\r\n\r\n'
    )
    return head.encode() + image + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _base64(image: bytes) -> bytes:
    return b'{"image":"' + base64.b64encode(image) + b'"}'


_BODIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "rest": ("application/octet-stream", bytes),
    "form": (f"multipart/form-data; boundary={_BOUNDARY}", _form),
    "base64": ("application/json", _base64),
}


def _parse_count(status: int, body: bytes) -> int:
    if status != 200:
        raise ValueError(f"status {status}: {body[:120].decode(errors='replace')}")
    return len(orjson.loads(body)["faces"])
