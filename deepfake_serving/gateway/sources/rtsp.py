"""RTSP 1.0 (RFC 2326) with its media interleaved in the one connection (section 10.12).

FFmpeg's own client follows redirects to any host and opens ports that a server names. This one does
neither: it speaks to the checked address alone, and FFmpeg is only given what came from there.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.connect import open_connection
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES
from deepfake_serving.gateway.sources.newest import Newest
from deepfake_serving.gateway.sources.recording import Recording
from deepfake_serving.gateway.sources.rtp import Pictures
from deepfake_serving.gateway.sources.sdp import Track, video_of
from deepfake_serving.gateway.sources.segment import Segment

_SILENCE_S = 15.0
_USUAL_SESSION_S = 60.0
_MOST_BODY = 64 * 1024
_CHANNEL = re.compile(r"interleaved=(\d{1,3})")
_AGENT = "deepfake-serving"


class RTSP:
    """A `Source`."""

    def __init__(self, reach: AddressPolicy, url: URL, folder: Path, window_s: float) -> None:
        self._reach, self._url = reach, url
        self._folder, self._window_s = folder, window_s

    async def pieces(self) -> AsyncGenerator[Segment, None]:
        """Pieces that begin with keyframes. The source waits for nobody: where pieces are not
        taken, the newest is kept."""
        newest = Newest()
        recording = asyncio.create_task(self._record(newest))
        try:
            while (piece := await newest.get()) is not None:
                yield piece
            await recording
        finally:
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    async def _record(self, newest: Newest) -> None:
        """Until the connection ends; what was recorded until then is a piece as well."""
        try:
            async with _connected(self._reach, self._url) as connection:
                track = await connection.play()
                pictures = Pictures(track)
                recording = Recording(track.codec, self._folder, self._window_s)
                try:
                    async for packet in connection.packets():
                        for coded in pictures.add(packet):
                            newest.put(recording.add(coded))
                finally:
                    newest.put(recording.end())
        finally:
            newest.close()


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: dict[str, str]
    body: str


class _Connection:
    """Requests one after the other, then packets."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, url: URL) -> None:
        self._reader, self._writer = reader, writer
        self._url = str(url.with_fragment(None))
        self._number = self._channel = 0
        self._session: dict[str, str] = {}
        self._alive_s = _USUAL_SESSION_S / 2

    async def play(self) -> Track:
        """Asks for the video; from then on its packets come.

        Raises:
            Problem
        """
        told = await self._ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        base = told.headers.get("content-base") or told.headers.get("content-location")
        track = video_of(told.body)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        control = _control(base or self._url, track.control)
        made = await self._ask("SETUP", control, transport)
        found = _CHANNEL.search(made.headers.get("transport", "").lower())
        if found is None:
            raise UnreachableURL("the source does not send over the connection it is asked on")
        self._channel = int(found[1])
        session, _, parameters = made.headers.get("session", "").partition(";")
        self._session = {"Session": session.strip()} if session.strip() else {}
        self._alive_s = _timeout(parameters) / 2
        await self._ask("PLAY", base or self._url, {"Range": "npt=now-"})
        return track

    async def packets(self) -> AsyncIterator[bytes]:
        """RTP packets of the video, as long as they come; the session is kept alive meanwhile.

        Raises:
            UnreachableURL, DeadlineExceeded: they have ended.
        """
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            async with asyncio.timeout(_SILENCE_S):
                while (packet := await self._read()) is None or isinstance(packet, _Reply):
                    pass
            yield packet
            if loop.time() - told > self._alive_s:
                told = loop.time()
                await self._send("OPTIONS", self._url, {})

    async def _ask(self, method: str, url: str, headers: dict[str, str]) -> _Reply:
        """The reply; packets that come before it are passed over."""
        async with asyncio.timeout(_SILENCE_S):
            await self._send(method, url, headers)
            while not isinstance(reply := await self._read(), _Reply):
                pass
        if 300 <= reply.status < 400:
            raise RefusedURL("the source redirects, which is not followed over RTSP")
        if reply.status in (401, 403):
            raise UnreachableURL("the source lets only those in who have a password")
        if reply.status != 200:
            raise UnreachableURL(f"the source answered {reply.status} to {method}")
        return reply

    async def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._number += 1
        fields = {"CSeq": str(self._number), "User-Agent": _AGENT} | self._session | headers
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {v}" for name, v in fields.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def _read(self) -> _Reply | bytes | None:
        """A reply, or a packet of the video; None for anything else."""
        first = await self._reader.readexactly(1)
        if first == b"$":
            channel, *size = await self._reader.readexactly(3)
            packet = await self._reader.readexactly(int.from_bytes(bytes(size)))
            return packet if channel == self._channel else None
        if first in b"\r\n":
            return None
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
        start, *lines = head.splitlines()
        named = (line.partition(":")[::2] for line in lines if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in named}
        body = await self._body(headers.get("content-length", "0"))
        version, _, rest = start.partition(" ")
        if not version.startswith("RTSP/"):  # a request of the server's
            return None
        return _Reply(_status(rest), headers, body)

    async def _body(self, length: str) -> str:
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 9 else 0
        if size > _MOST_BODY:
            raise UnreachableURL("the source says more than it has to")
        return (await self._reader.readexactly(size)).decode(errors="replace")


@asynccontextmanager
async def _connected(reach: AddressPolicy, url: URL) -> AsyncIterator[_Connection]:
    """A connection, and its errors in our words."""
    tls = url.scheme == "rtsps"
    port = url.explicit_port or RTSP_SCHEMES[url.scheme]
    reader, writer = await open_connection(reach, url.host or "", port, tls=tls)
    try:
        yield _Connection(reader, writer, url)
    except TimeoutError:
        raise DeadlineExceeded(f"the source was silent for {_SILENCE_S:g} s") from None
    except IncompleteReadError as error:
        raise UnreachableURL("the source has hung up") from error
    except (OSError, LimitOverrunError, ValueError) as error:
        raise UnreachableURL("the source answered in a way that can't be read") from error
    finally:
        writer.transport.abort()


def _control(base: str, control: str) -> str:
    """What a track is set up by (RFC 2326, section C.1.1); any text, as it only travels to the
    server that it came from."""
    if control in ("", "*"):
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    return f"{base.rstrip('/')}/{control}"


def _timeout(parameters: str) -> float:
    """Seconds that a session lives without a sign."""
    _, _, value = parameters.partition("timeout=")
    digits = value.partition(";")[0].strip()
    if not digits.isascii() or not digits.isdigit():
        return _USUAL_SESSION_S
    return min(max(float(digits[:6]), 2.0), _USUAL_SESSION_S)


def _status(text: str) -> int:
    code = text[:3]
    return int(code) if code.isascii() and code.isdigit() else 0
