"""The ways in which a system is asked about a picture, each giving the number of faces found."""

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

Question = Callable[[bytes], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Target:
    """How a system is reached. `address` is a URL, host:port of gRPC, or an archive (`direct`)."""

    way: Literal["rest", "form", "base64", "rpc", "torchserve-rpc", "direct"]
    address: str
    unix: str | None = None
    """A Unix socket to take instead of the URL's host."""
    processes: int = 1
    threads: int = 1
    """Of `direct` alone."""


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Question]:
    """Connections that are kept for as long as this is open."""
    match target.way:
        case "rest" | "form" | "base64":
            opened = _rest(target)
        case "rpc":
            opened = _rpc(target)
        case "torchserve-rpc":
            opened = _torchserve_rpc(target)
        case "direct":
            opened = _direct(target)
    async with opened as question:
        yield question


@asynccontextmanager
async def _rest(target: Target) -> AsyncIterator[Question]:
    kind, body_of = _BODIES[target.way]
    connector = (
        aiohttp.UnixConnector(target.unix, limit=0)
        if target.unix
        else aiohttp.TCPConnector(limit=0)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"Content-Type": kind},
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    ) as session:

        async def question(picture: bytes) -> int:
            async with session.post(target.address, data=body_of(picture)) as response:
                return _count(response.status, await response.read())

        yield question


@asynccontextmanager
async def _rpc(target: Target) -> AsyncIterator[Question]:
    async with grpc.aio.insecure_channel(target.address) as channel:
        stub = detector_pb2_grpc.DetectorStub(channel)

        async def question(picture: bytes) -> int:
            return len(
                (await stub.DetectImage(detector_pb2.DetectImageRequest(image=picture))).faces
            )

        yield question


@asynccontextmanager
async def _torchserve_rpc(target: Target) -> AsyncIterator[Question]:
    messages: Any = importlib.import_module("inference_pb2")
    stubs: Any = importlib.import_module("inference_pb2_grpc")
    async with grpc.aio.insecure_channel(target.address) as channel:
        stub = stubs.InferenceAPIsServiceStub(channel)

        async def question(picture: bytes) -> int:
            asked = messages.PredictionsRequest(model_name="detector", input={"data": picture})
            return _count(200, (await stub.Predictions(asked)).prediction)

        yield question


@asynccontextmanager
async def _direct(target: Target) -> AsyncIterator[Question]:
    yield Pool.of(Path(target.address), target.processes, target.threads).faces


def compile_torchserve_protos(folder: Path) -> None:
    """Generates the stubs of TorchServe's gRPC, whose .proto files are inside its jar."""
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


_BOUNDARY = "a-boundary-that-no-picture-holds"


def _form(picture: bytes) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
        'Content-Disposition: form-data; name="file"; filename="picture.jpg"\r\n\r\n'
    )
    return head.encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _base64(picture: bytes) -> bytes:
    return b'{"picture":"' + base64.b64encode(picture) + b'"}'


_BODIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "rest": ("application/octet-stream", bytes),
    "form": (f"multipart/form-data; boundary={_BOUNDARY}", _form),
    "base64": ("application/json", _base64),
}


def _count(status: int, body: bytes) -> int:
    if status != 200:
        raise ValueError(f"status {status}: {body[:120].decode(errors='replace')}")
    return len(orjson.loads(body)["faces"])
