"""RTSP from a server that sends FFmpeg's packets, and from hostile servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    RefusedURL,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.fetch import names
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources import rtsp
from deepfake_serving.gateway.sources.following import open_source
from deepfake_serving.gateway.sources.segment import Segment
from tests.support.media_servers import RTSPServer, description, rtp_packets
from tests.unit.gateway.sources.conftest import files_in, frame_times


@pytest.fixture(scope="module")
def server_of() -> Any:
    """Returns a function that starts a server of a video, whose packets are cached."""
    cache: dict[Path, Any] = {}

    def server(video: Path, **given: Any) -> RTSPServer:
        if video not in cache:
            cache[video] = rtp_packets(video)
        return RTSPServer(cache[video], description(video), **{"speed": 8.0} | given)

    return server


async def first(fetcher: Fetcher, url: str, folder: Path, count: int = 1) -> list[Segment]:
    async with aclosing(open_source(fetcher, url, folder, 2.0).segments()) as segments:
        async with asyncio.timeout(120):
            return [await anext(segments) for _ in range(count)]


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_frames_arrive_as_they_were_sent(
    codec: str, request: pytest.FixtureRequest, server_of: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    server = server_of(request.getfixturevalue(codec))
    async with server.running() as url:
        segments = await first(fetcher, url, tmp_path, 3)
    for segment in segments:
        assert segment.seconds == pytest.approx(2.0, abs=0.01)
        assert frame_times(segment) == pytest.approx([i / 12 for i in range(24)], abs=0.01)


async def test_requests_use_the_urls_of_the_server(
    h264: Path, server_of: Any, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(h264, speed=1.0)  # its sessions expire after four seconds without a request
    async with server.running() as url:
        await first(fetcher, f"{url}?token=1#part", tmp_path, 2)
    requests = [head.splitlines()[0] for head in server.requests]
    assert requests[:3] == [
        f"DESCRIBE {url}?token=1 RTSP/1.0",
        f"SETUP {url}?token=1/trackID=1 RTSP/1.0",
        f"PLAY {url}?token=1 RTSP/1.0",
    ]
    assert any(r.startswith("OPTIONS") for r in requests[3:]), "the session is kept alive"
    assert all("Session: 12345678" in head for head in server.requests[2:])


async def test_the_end_of_a_connection_keeps_the_last_segment(
    h264: Path, server_of: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    server = server_of(h264)
    server.ends_at_s = 1.5
    async with (
        server.running() as url,
        aclosing(open_source(fetcher, url, tmp_path, 60.0).segments()) as segments,
    ):
        segment = await anext(segments)
        assert 1.0 < segment.seconds < 2.0
        assert len(frame_times(segment)) == pytest.approx(12 * segment.seconds, abs=3)
        with pytest.raises(UnreachableURL):
            await anext(segments)


def segment_number(name: str) -> int:
    return int(name.rpartition("-")[2])


def newest_number(folder: Path) -> int:
    """Returns the number of the newest segment, which is still open."""
    return max(map(segment_number, files_in(folder)))


async def test_only_the_newest_waiting_segment_is_kept(
    h264: Path, server_of: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    async with (
        server_of(h264).running() as url,
        aclosing(open_source(fetcher, url, tmp_path, 2.0).segments()) as segments,
    ):
        first_segment = await anext(segments)
        assert first_segment.gap is None
        async with asyncio.timeout(30):
            while newest_number(tmp_path) < segment_number(first_segment.path.name) + 4:
                await asyncio.sleep(0.02)
        late = await anext(segments)
        assert late.gap == "the analysis fell behind"
        assert len(files_in(tmp_path)) <= 3, "dropped segments leave no file"
        assert (await anext(segments)).gap is None


# Hostile -----------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(host: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Yields a port and the list of its connections."""
    connections: list[str] = []

    async def record(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(record, host, 0)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        server.close()


async def refused(server: RTSPServer, fetcher: Fetcher, folder: Path) -> Problem:
    async with server.running() as url:
        with pytest.raises(Problem) as caught:
            await first(fetcher, url, folder)
    return caught.value


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
async def test_no_redirect_is_followed(
    method: str, h264: Path, server_of: Any, tmp_path: Path
) -> None:
    fetcher = Fetcher(AddressPolicy(["127.0.0.0/8"]), 10)  # even if the address is allowed
    async with listening("127.0.0.2") as (port, connections):
        server = server_of(h264)
        target = f"rtsp://127.0.0.2:{port}/"
        server.replies[method] = f"RTSP/1.0 302 Moved\r\nCSEQ\r\nLocation: {target}\r\n\r\n"
        problem = await refused(server, fetcher, tmp_path)
        assert isinstance(problem, RefusedURL)
        assert connections == []


async def test_addresses_in_the_session_are_not_connected_to(
    h264: Path, server_of: Any, tmp_path: Path
) -> None:
    """Addresses in the description's `c=`, a track's URL, and `Content-Base`."""
    fetcher = Fetcher(AddressPolicy(["127.0.0.0/8"]), 10)
    async with listening("127.0.0.2") as (port, connections):
        server = server_of(h264)
        elsewhere = f"rtsp://127.0.0.2:{port}/elsewhere"
        server.sdp = description(h264, "127.0.0.2").replace("trackID=1", elsewhere)
        more = f"Content-Base: {elsewhere}\r\nContent-Length: {len(server.sdp)}\r\n"
        server.replies["DESCRIBE"] = f"RTSP/1.0 200 OK\r\nCSEQ\r\n{more}\r\n{server.sdp}"
        async with server.running() as url:
            assert len(await first(fetcher, url, tmp_path)) == 1
        assert server.requests[1].startswith(f"SETUP {elsewhere} RTSP/1.0"), (
            "requested on the same connection"
        )
        assert connections == []


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://127.0.0.2/", "rtsp://127.1/", "rtsp://2130706433/", "rtsp://0x7f000002:8554/",
        "rtsp://[::1]/", "rtsp://[::ffff:127.0.0.1]/", "rtsp://169.254.169.254:8554/",
        "rtsp://10.0.0.1/", "rtsps://192.168.0.1/", "rtsp://0.0.0.0/",
    ],
)  # fmt: skip
async def test_addresses_are_checked_like_those_of_other_urls(url: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedURL):
        await first(Fetcher(AddressPolicy(), 10), url, tmp_path)


@pytest.mark.parametrize(
    "url",
    ["rtsp://user:secret@camera/", "rtsp://camera:22/", "rtsp://camera:80/", "rtsp:///", "rtsp://",
     "rtsp://camera:0/", "rtsp://" + "a" * 5000],
)  # fmt: skip
def test_an_invalid_url_is_refused_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedURL):
        open_source(Fetcher(AddressPolicy(), 10), url, tmp_path, 2.0)


async def test_a_name_is_resolved_once_and_all_of_its_addresses_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = 0

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        nonlocal looked_up
        looked_up += 1
        public, private = ("93.184.216.34", port), ("127.0.0.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in (public, private)]

    monkeypatch.setattr(names, "look_up", look_up)
    async with listening("127.0.0.1") as (port, connections):
        with pytest.raises(RefusedURL):
            await first(Fetcher(AddressPolicy(), 10), f"rtsp://both.test:{port}/", tmp_path)
        assert (connections, looked_up) == ([], 1)


@pytest.mark.parametrize(
    ("method", "reply", "kind"),
    [
        ("DESCRIBE", "RTSP/1.0 401 Unauthorized\r\nCSEQ\r\n\r\n", UnreachableURL),
        ("DESCRIBE", "RTSP/1.0 404 Not Found\r\nCSEQ\r\n\r\n", UnreachableURL),
        ("DESCRIBE", "RTSP/1.0 200 OK\r\nCSEQ\r\n\r\n", UnsupportedMediaType),
        ("DESCRIBE", "RTSP/1.0 200 OK\r\nCSEQ\r\nContent-Length: 99999999\r\n\r\n", UnreachableURL),
        ("DESCRIBE", "RTSP/1.0 20x\r\n\r\n", UnreachableURL),
        ("DESCRIBE", "RTSP/1.0 200 OK\r\nA: " + "x" * 200_000, UnreachableURL),
        ("SETUP", "RTSP/1.0 200 OK\r\nCSEQ\r\nTransport: RTP/AVP;unicast;client_port=1-2\r\n\r\n",
         UnreachableURL),
        ("SETUP", "RTSP/1.0 461 Unsupported Transport\r\nCSEQ\r\n\r\n", UnreachableURL),
    ],
)  # fmt: skip
async def test_failures_of_the_server_are_problems(
    method: str, reply: str, kind: type[Problem], h264: Path, server_of: Any, fetcher: Fetcher,
    tmp_path: Path,
) -> None:  # fmt: skip
    server = server_of(h264)
    server.replies[method] = reply
    assert isinstance(await refused(server, fetcher, tmp_path), kind)


async def test_a_silent_server_times_out(
    h264: Path, server_of: Any, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtsp, "_READ_TIMEOUT_S", 0.4)
    server = server_of(h264)
    server.replies["DESCRIBE"] = ""
    assert isinstance(await refused(server, fetcher, tmp_path), DeadlineExceeded)
    del server.replies["DESCRIBE"]
    server.packets = [(0.0, server.packets[0][1]), (99.0, server.packets[1][1])]
    assert isinstance(await refused(server, fetcher, tmp_path), DeadlineExceeded)


async def test_a_stream_without_keyframes_is_undecodable(
    h264: Path, server_of: Any, fetcher: Fetcher, tmp_path: Path
) -> None:
    server = server_of(h264, speed=400.0)
    server.packets = [each for each in server.packets if each[1][12] & 0x1F == 1]
    assert isinstance(await refused(server, fetcher, tmp_path), UndecodableMedia)


async def test_an_untrusted_certificate_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    async with listening("127.0.0.1") as (port, _):
        with pytest.raises(UnreachableURL):
            await first(fetcher, f"rtsps://127.0.0.1:{port}/", tmp_path)
