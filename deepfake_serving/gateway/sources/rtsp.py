"""RTSP 1.0 (RFC 2326) with its media interleaved in the one connection (section 10.12).

FFmpeg's client follows redirects to any host and resolves names itself. This client connects only
to the checked address, and FFmpeg receives only data from there.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from yarl import URL

from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.connect import open_connection
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES
from deepfake_serving.gateway.sources.recording import Recorder
from deepfake_serving.gateway.sources.rtp import Depacketizer
from deepfake_serving.gateway.sources.sdp import VideoTrack, find_video
from deepfake_serving.gateway.sources.segment import Segment
from deepfake_serving.runtime.newest_queue import NewestQueue

_READ_TIMEOUT_S = 15.0
_DEFAULT_SESSION_S = 60.0
_MAX_BODY_BYTES = 64 * 1024
_CHANNEL = re.compile(r"interleaved=(\d{1,3})")
_USER_AGENT = "deepfake-serving"


class RTSP:
    """A `Source` of one RTSP video."""

    def __init__(self, reach: AddressPolicy, url: URL, folder: Path, window_s: float) -> None:
        self._reach, self._url = reach, url
        self._folder, self._window_s = folder, window_s

    async def segments(self) -> AsyncGenerator[Segment, None]:
        """Yields segments that start with keyframes.

        The source does not wait for a slow consumer: of waiting segments only the newest is kept.
        """
        segments = NewestQueue[Segment](1, _skip_older)
        recording = asyncio.create_task(self._record(segments))
        try:
            while (segment := await segments.get()) is not None:
                yield segment
            await recording
        finally:
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    async def _record(self, segments: NewestQueue[Segment]) -> None:
        """Records until the connection ends, including the last, shorter segment."""
        try:
            async with _connected(self._reach, self._url) as connection:
                track = await connection.play()
                depacketizer = Depacketizer(track)
                recorder = Recorder(track.codec, self._folder, self._window_s)
                try:
                    async for packet in connection.packets():
                        for unit in depacketizer.add(packet):
                            if (segment := recorder.add(unit)) is not None:
                                segments.put(segment)
                finally:
                    if (segment := recorder.end()) is not None:
                        segments.put(segment)
        finally:
            segments.close()


def _skip_older(older: Segment, newer: Segment) -> Segment:
    """Deletes the older segment's file and returns the newer one, marked with the gap."""
    older.path.unlink(missing_ok=True)
    return replace(newer, gap="the analysis fell behind")


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: dict[str, str]
    body: str


class _Connection:
    """A connection: one request after another, then packets."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, url: URL) -> None:
        self._reader, self._writer = reader, writer
        self._url = str(url.with_fragment(None))
        self._cseq = self._channel = 0
        self._session: dict[str, str] = {}
        self._keepalive_s = _DEFAULT_SESSION_S / 2

    async def play(self) -> VideoTrack:
        """Starts the video: after this, its packets arrive.

        Raises:
            Problem
        """
        description = await self._request("DESCRIBE", self._url, {"Accept": "application/sdp"})
        headers = description.headers
        base = headers.get("content-base") or headers.get("content-location")
        track = find_video(description.body)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        control = _control_url(base or self._url, track.control)
        setup = await self._request("SETUP", control, transport)
        channel = _CHANNEL.search(setup.headers.get("transport", "").lower())
        if channel is None:
            raise UnreachableURL("the source does not support RTP over the RTSP connection")
        self._channel = int(channel[1])
        session, _, parameters = setup.headers.get("session", "").partition(";")
        self._session = {"Session": session.strip()} if session.strip() else {}
        self._keepalive_s = _session_timeout_s(parameters) / 2
        await self._request("PLAY", base or self._url, {"Range": "npt=now-"})
        return track

    async def packets(self) -> AsyncIterator[bytes]:
        """Yields the RTP packets of the video, and keeps the session alive.

        Raises:
            UnreachableURL, DeadlineExceeded: the packets ended.
        """
        loop = asyncio.get_running_loop()
        last_request = loop.time()
        while True:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                while (packet := await self._read()) is None or isinstance(packet, _Response):
                    pass
            yield packet
            if loop.time() - last_request > self._keepalive_s:
                last_request = loop.time()
                await self._send("OPTIONS", self._url, {})

    async def _request(self, method: str, url: str, headers: dict[str, str]) -> _Response:
        """Sends a request and returns its response. Packets before the response are dropped."""
        async with asyncio.timeout(_READ_TIMEOUT_S):
            await self._send(method, url, headers)
            while not isinstance(response := await self._read(), _Response):
                pass
        if 300 <= response.status < 400:
            raise RefusedURL("the source redirects, which is not supported over RTSP")
        if response.status in (401, 403):
            raise UnreachableURL("the source requires a password, which is not supported")
        if response.status != 200:
            raise UnreachableURL(f"the source responded with {response.status} to {method}")
        return response

    async def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._cseq += 1
        fields = {"CSeq": str(self._cseq), "User-Agent": _USER_AGENT} | self._session | headers
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {v}" for name, v in fields.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def _read(self) -> _Response | bytes | None:
        """Reads a response or a packet of the video; None for anything else."""
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
        if not version.startswith("RTSP/"):  # a request of the server
            return None
        return _Response(_status_code(rest), headers, body)

    async def _body(self, length: str) -> str:
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 9 else 0
        if size > _MAX_BODY_BYTES:
            raise UnreachableURL("the source sent a response that is too large")
        return (await self._reader.readexactly(size)).decode(errors="replace")


@asynccontextmanager
async def _connected(reach: AddressPolicy, url: URL) -> AsyncIterator[_Connection]:
    """Connects, and maps errors to problems."""
    tls = url.scheme == "rtsps"
    port = url.explicit_port or RTSP_SCHEMES[url.scheme]
    reader, writer = await open_connection(reach, url.host or "", port, tls=tls)
    try:
        yield _Connection(reader, writer, url)
    except TimeoutError:
        raise DeadlineExceeded(f"the source sent nothing for {_READ_TIMEOUT_S:g} s") from None
    except IncompleteReadError as error:
        raise UnreachableURL("the source closed the connection") from error
    except (OSError, LimitOverrunError, ValueError) as error:
        raise UnreachableURL("the source sent an invalid response") from error
    finally:
        writer.transport.abort()


def _control_url(base: str, control: str) -> str:
    """Returns the URL of a track's SETUP (RFC 2326, section C.1.1).

    It may be any text, since it is only sent to the server that it came from.
    """
    if control in ("", "*"):
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    return f"{base.rstrip('/')}/{control}"


def _session_timeout_s(parameters: str) -> float:
    """Returns the session's timeout in seconds."""
    _, _, value = parameters.partition("timeout=")
    digits = value.partition(";")[0].strip()
    if not digits.isascii() or not digits.isdigit():
        return _DEFAULT_SESSION_S
    return min(max(float(digits[:6]), 2.0), _DEFAULT_SESSION_S)


def _status_code(text: str) -> int:
    code = text[:3]
    return int(code) if code.isascii() and code.isdigit() else 0
