"""Clients that attack a gateway in every known way, until standard input is closed.

`python -m benchmarks.attackers HTTP_PORT GRPC_PORT KEY` prints a line before the first attack, and
at the end how often each attack ran, and the statuses that it got.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import httpx
from PIL import Image

from tests.support.heif import heic, hevc_image

_PAUSE_S = 0.5
_HELD = 100
"""Connections that are held open at once, by each attack that holds some."""
_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10" + bytes(4)

Attack = Callable[[], Awaitable[object]]


class Attacker:
    """The attacks on one gateway; those that need a key use one of their own."""

    def __init__(self, http_port: int, grpc_port: int, key: str) -> None:
        self._port, self._target, self._key = http_port, f"127.0.0.1:{grpc_port}", key
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{http_port}", headers={"X-API-Key": key}, timeout=60
        )
        self.statuses: dict[str, Counter[str]] = {}
        self._bombs = {
            "a JPEG of 5000 scans": _jpeg_of_scans(5000),
            "an AVIF that lies": _lying_avif(),
            "a HEIC of many tiles": heic(*hevc_image(64, 64), (64, 64), (40, 40)),
        }

    def attacks(self) -> dict[str, Attack]:
        """Returns all attacks by name."""
        bombs: dict[str, Attack] = {
            name: lambda data=data: self._post("/v1/images", data)  # type: ignore[misc]
            for name, data in self._bombs.items()
        }
        return bombs | {
            "a head of 10 MB": lambda: self._raw(b"X: " + b"a" * 10_000_000),
            "connections without a head": lambda: self._hold(b""),
            "half a head": lambda: self._hold(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "),
            "unfinished bodies": lambda: self._hold(self._unfinished()),
            "gRPC without a key": lambda: self._rpc("DetectImage", bytes(30_000_000), None),
            "a gRPC batch of nothing": lambda: self._rpc(
                "DetectBatch", b"\x0a\0" * 10**6, self._key
            ),
            "JSON tensors": lambda: self._post("/v2/models/detector/infer", b"[" * 15_000_000),
            "a video of zeros": lambda: self._post("/v1/videos", bytes(1_000_000)),
            "a private webhook": lambda: self._post("/v1/videos?webhook=http://10.0.0.1/", b"x"),
            "a private URL": self._private_url,
        }

    async def run(self, name: str, attack: Attack) -> None:
        """Repeats an attack."""
        counts = self.statuses.setdefault(name, Counter())
        while True:
            try:
                counts[str(await attack())] += 1
            except (OSError, httpx.HTTPError, asyncio.IncompleteReadError) as error:
                counts[type(error).__name__] += 1
            await asyncio.sleep(_PAUSE_S)

    async def _post(self, path: str, body: bytes) -> int:
        return (await self._client.post(path, content=body)).status_code

    async def _private_url(self) -> int:
        response = await self._client.post("/v1/images", json={"url": "http://169.254.169.254/"})
        return response.status_code

    async def _raw(self, header: bytes) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        with contextlib.closing(writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
            return (await reader.readuntil(b"\r\n"))[9:12].decode()

    async def _hold(self, head: bytes) -> str:
        """Holds connections until they are closed, at most for a minute."""
        held = [await asyncio.open_connection("127.0.0.1", self._port) for _ in range(_HELD)]
        for _, writer in held:
            writer.write(head)
        async with asyncio.timeout(60):
            await asyncio.gather(*(reader.read() for reader, _ in held), return_exceptions=True)
        for _, writer in held:
            writer.close()
        return "closed"

    def _unfinished(self) -> bytes:
        head = "POST /v2/models/detector/infer HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\n"
        return (head + "Content-Length: 30000000\r\n\r\n").format(self._key).encode() + bytes(10**6)

    async def _rpc(self, method: str, message: bytes, key: str | None) -> str:
        metadata = (("x-api-key", key),) if key else ()
        unlimited = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(self._target, options=unlimited) as channel:
            try:
                call = channel.unary_unary(
                    f"/deepfake.v1.Detector/{method}",
                    request_serializer=bytes,
                    response_deserializer=bytes,
                )
                await call(message, metadata=metadata, timeout=60)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        return "OK"


def _jpeg_of_scans(count: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (1600, 1600)).save(stream, "JPEG", progressive=True, quality=1)
    return stream.getvalue()[:-2] + _SCAN * count + b"\xff\xd9"


def _lying_avif() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8000, 8000), (120, 120, 120)).save(stream, "AVIF", speed=10)
    actual, stated = (b"ispe" + bytes(4) + struct.pack(">II", n, n) for n in (8000, 64))
    return stream.getvalue().replace(actual, stated)


async def _attack(attacker: Attacker) -> None:
    tasks = [asyncio.create_task(attacker.run(*each)) for each in attacker.attacks().items()]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Attacks until the end of the input."""
    attacker = Attacker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    print("attacking", flush=True)
    asyncio.run(_attack(attacker))
    for name, counts in attacker.statuses.items():
        print(f"{name}: {dict(counts)}")


if __name__ == "__main__":
    main()
