"""A proxy of Redis that loses a reply."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path


class ReplyLosingProxy:
    """A proxy of Redis that forwards the first transaction and disconnects before its reply."""

    def __init__(self, socket: Path) -> None:
        self.socket, self.lost, self.opened = socket, asyncio.Event(), asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.lost.is_set():
            await self.opened.wait()
        to_reader, to_writer = await asyncio.open_unix_connection(self.socket)
        back = asyncio.create_task(self._forward_replies(to_reader, writer))
        with contextlib.closing(to_writer), contextlib.closing(writer):
            while data := await reader.read(2**16):
                ends = b"EXEC" in data and not self.lost.is_set()
                if ends:
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                to_writer.write(data)
                await to_writer.drain()
                if ends:
                    await to_reader.read(1)
                    self.lost.set()
                    return
        await asyncio.gather(back, return_exceptions=True)

    async def _forward_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
