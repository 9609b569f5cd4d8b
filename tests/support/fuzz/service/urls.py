"""URLs that lead to nothing that should be fetched, and a server with hostile responses."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.fuzz.mutation import mutated

_REFUSED = (
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://[::1]:{port}/",
    "http://[::ffff:10.0.0.1]/",
    "http://0x7f.1:22/",
    "http://2130706434/",
    "http://127.0.0.1:25/",
    "http://user:password@127.0.0.1:{port}/",
    "http://xn--/",
    "http://a..b/",
    "http://%00/",
    "http://127.0.0.1:99999/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "rtsp://127.0.0.1:{port}/",
    "gopher://127.0.0.1/",
    "http://",
    "//127.0.0.1/",
    "http://none.invalid/",
    "",
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


def hostile_url(port: int, number: int, chance: random.Random) -> str:
    """Returns a URL of `responding`, or one that is refused."""
    if chance.random() < 0.5:
        return f"http://127.0.0.1:{port}/{number}"
    return chance.choice(_REFUSED).format(port=port) + chance.choice(("", "?a=b", "#", "\x00é"))


@asynccontextmanager
async def responding(images: dict[int, bytes], seed: int) -> AsyncIterator[int]:
    """Runs a server that responds with the image of a number, its head mutated; yields its port."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(Exception):
            request = await reader.readuntil(b"\r\n\r\n")
            number = int(request.split()[1].strip(b"/") or b"0")
            data, chance = images.get(number, b""), random.Random(f"{seed}-{number}-response")
            head = _HEAD % len(data)
            writer.write(
                (mutated(head, [], head, chance) if chance.random() < 0.5 else head) + data
            )
            await writer.drain()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
