"""Live sources on loopback: an HLS server with a growing playlist, and an RTSP server.

They send segments of FFmpeg's HLS muxer and packets of its RTP muxer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# HLS ---------------------------------------------------------------------------------------------


def write_hls(video: Path, folder: Path, *, segment_s: int = 1, kind: str = "mpegts") -> Path:
    """Writes a video as segments and a playlist; `kind` is mpegts or fmp4."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "all.m3u8"
    options = {"hls_time": str(segment_s), "hls_list_size": "0", "hls_segment_type": kind}
    with av.open(str(video)) as source, av.open(str(path), "w", "hls", options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


class GrowingPlaylist:
    """A live playlist: of the segments in a folder, the first ones are available.

    The oldest are removed again, as from a live stream.
    """

    def __init__(self, path: Path, kept: int = 5) -> None:
        self.lines = path.read_text().splitlines()
        self.folder, self.kept = path.parent, kept
        self.available, self.ended = kept, False
        self.requests: list[str] = []
        first = next(i for i, line in enumerate(self.lines) if line.startswith("#EXTINF"))
        self.head = [
            line
            for line in self.lines[:first]
            if not line.startswith(("#EXT-X-PLAYLIST-TYPE", "#EXT-X-MEDIA-SEQUENCE"))
        ]
        body = [line for line in self.lines[first:] if line != "#EXT-X-ENDLIST"]
        self.segments = list(zip(body[::2], body[1::2], strict=True))

    def text(self) -> str:
        begin = max(0, self.available - self.kept)
        shown = [line for pair in self.segments[begin : self.available] for line in pair]
        end = ["#EXT-X-ENDLIST"] if self.ended else []
        return "\n".join([*self.head, f"#EXT-X-MEDIA-SEQUENCE:{begin}", *shown, *end]) + "\n"

    async def grow(self) -> None:
        """Adds a segment whenever the newest was requested, then ends the playlist."""
        while self.available < len(self.segments):
            if self.segments[self.available - 1][1] in self.requests:
                self.available += 1
            await asyncio.sleep(0.02)
        self.ended = True

    async def respond(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        self.requests.append(name)
        if name.endswith(".m3u8"):
            return web.Response(text=self.text(), content_type="application/vnd.apple.mpegurl")
        return web.FileResponse(self.folder / name)


@asynccontextmanager
async def serving(handler: Handler, port: int = 0) -> AsyncIterator[str]:
    """Serves every path with one handler; yields the URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# RTSP --------------------------------------------------------------------------------------------


def rtp_packets(video: Path) -> list[tuple[float, bytes]]:
    """Returns FFmpeg's RTP packets of an H.264 or H.265 video, each with its decoding time in s."""
    found: list[tuple[float, bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        receiver.settimeout(0.01)
        port = receiver.getsockname()[1]
        target = f"rtp://127.0.0.1:{port}?pkt_size=1200&rtcpport={port + 1}"
        with av.open(str(video)) as source, av.open(target, "w", "rtp") as out:
            track = source.streams.video[0]
            stream = out.add_stream_from_template(track)
            for packet in source.demux(track):
                if not packet.size:
                    continue
                at_s = float(packet.dts * packet.time_base)
                packet.stream = stream
                out.mux(packet)
                with contextlib.suppress(TimeoutError):
                    while True:
                        found.append((at_s, receiver.recv(65_536)))
    return found


def description(video: Path, host: str = "127.0.0.1", sets: bool = True) -> str:
    """Returns a session description of a video, with or without its parameter sets."""
    with av.open(str(video)) as source:
        context = source.streams.video[0].codec_context
        name = {"h264": "H264", "hevc": "H265"}[context.name]
        fmtp = f"a=fmtp:96 packetization-mode=1;{_sprop(name, context.extradata) if sets else ''}"
    lines = ["v=0", f"o=- 0 0 IN IP4 {host}", "s=test", f"c=IN IP4 {host}", "t=0 0"]
    audio = ["m=audio 0 RTP/AVP 0", "a=control:trackID=7"]
    track = ["m=video 0 RTP/AVP 96", f"a=rtpmap:96 {name}/90000", fmtp, "a=control:trackID=1"]
    return "\r\n".join([*lines, *audio, *track, ""])


def _sprop(name: str, extradata: bytes) -> str:
    """Returns the parameter sets of an `avcC` or `hvcC` box (ISO/IEC 14496-15), one of each."""

    def unit(offset: int) -> str:
        (size,) = struct.unpack_from(">H", extradata, offset)
        return base64.b64encode(extradata[offset + 2 : offset + 2 + size]).decode()

    if name == "H264":
        (size,) = struct.unpack_from(">H", extradata, 6)
        return f"sprop-parameter-sets={unit(6)},{unit(6 + 2 + size + 1)}"
    found, offset = [], 23
    for _ in range(extradata[22]):
        kind = {32: "vps", 33: "sps", 34: "pps"}.get(extradata[offset] & 0x3F)
        found += [f"sprop-{kind}={unit(offset + 3)}"] if kind else []
        (size,) = struct.unpack_from(">H", extradata, offset + 3)
        offset += 5 + size
    return ";".join(found)


CHANNEL = 4
"""A channel that differs from the requested one, as servers may choose."""


class RTSPServer:
    """Sends the same packets to every client, in a loop, at `speed` times real time."""

    def __init__(
        self, packets: Sequence[tuple[float, bytes]], sdp: str, *, speed: float = 1.0
    ) -> None:
        self.packets, self.sdp, self.speed = packets, sdp, speed
        self.requests: list[str] = []
        self.replies: dict[str, str] = {}
        """Scripted replies by method."""
        self.ends_at_s = math.inf
        """Seconds of the video after which the server closes the connection."""
        self.sessions = 0
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"rtsp://127.0.0.1:{self.port}/live"
        finally:
            server.close()
            await self.drop()

    async def drop(self) -> None:
        """Closes all connections."""
        connections, self._connections = self._connections, {}
        for transport in connections.values():
            transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer.transport
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            sending: asyncio.Task[None] | None = None
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    method = head.split(" ", 1)[0]
                    self.requests.append(head)
                    writer.write(self._reply(method, head).encode())
                    if method == "PLAY":
                        sending = asyncio.create_task(self._send(writer))
            finally:
                if sending is not None:
                    sending.cancel()
                writer.close()

    def _reply(self, method: str, head: str) -> str:
        number = next(line for line in head.splitlines() if line.startswith("CSeq"))
        if method in self.replies:
            return self.replies[method].replace("CSEQ", number)
        more = {
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(self.sdp)}\r\n",
            "SETUP": f"Transport: RTP/AVP/TCP;unicast;interleaved={CHANNEL}-{CHANNEL + 1}\r\n"
            "Session: 12345678;timeout=4\r\n",
        }.get(method, "")
        body = self.sdp if method == "DESCRIBE" else ""
        return f"RTSP/1.0 200 OK\r\n{number}\r\n{more}\r\n{body}"

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        """Sends in a loop, with sequence numbers and timestamps that continue."""
        self.sessions += 1
        loop = asyncio.get_running_loop()
        start = loop.time()
        length_s = self.packets[-1][0] + (self.packets[-1][0] - self.packets[0][0]) / 100
        with contextlib.suppress(ConnectionError):
            for turn in range(10**6):
                for number, (at_s, packet) in enumerate(self.packets):
                    due = start + (turn * length_s + at_s) / self.speed
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    if turn * length_s + at_s >= self.ends_at_s:
                        writer.transport.abort()
                        return
                    shifted = _shifted(packet, turn * len(self.packets) + number, turn * length_s)
                    rtcp = bytes([36, CHANNEL + 1]) + struct.pack(">H", 8) + b"\x80\xc8" + bytes(6)
                    writer.write(
                        bytes([36, CHANNEL]) + struct.pack(">H", len(shifted)) + shifted + rtcp
                    )
                    await writer.drain()


def _shifted(packet: bytes, sequence: int, shift_s: float) -> bytes:
    first, second, _, ticks = struct.unpack_from(">BBHI", packet)
    ticks = (ticks + round(90_000 * shift_s)) % 2**32
    return struct.pack(">BBHI", first, second, sequence % 2**16, ticks) + packet[8:]
