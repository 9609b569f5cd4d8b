"""A third-party server, rtsp-simple-server (the former MediaMTX), with a stream from FFmpeg.

Without it on PATH these tests skip; with REQUIRE_RTSP=1 they fail. `make rtsp-server` builds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from deepfake_serving.contracts.problems import UnreachableURL
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources.following import open_source
from deepfake_serving.gateway.sources.segment import Segment
from tests.support.ports import free_port
from tests.unit.gateway.sources.conftest import frame_times

GUARD_S = 120
_SERVER = "rtsp-simple-server"
_PUBLISH = """
import sys, time, av
with av.open(sys.argv[2], "w", "rtsp", {"rtsp_transport": "tcp"}) as out:
    begun, stream = time.monotonic(), None
    for turn in range(100):
        with av.open(sys.argv[1]) as source:
            track = source.streams.video[0]
            stream = stream or out.add_stream_from_template(track)
            for packet in source.demux(track):
                if packet.size:
                    packet.pts += turn * track.duration
                    packet.dts += turn * track.duration
                    due = begun + float(packet.dts * packet.time_base)
                    time.sleep(max(0, due - time.monotonic()))
                    packet.stream = stream
                    out.mux(packet)
"""


@pytest.fixture(scope="module", params=["h264", "h265"])
def published(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Publishes a clip in a loop in real time; yields its URLs over RTSP and HLS."""
    program = shutil.which(_SERVER)
    if program is None:
        if os.environ.get("REQUIRE_RTSP"):
            pytest.fail(f"{_SERVER} is not installed")
        pytest.skip(f"{_SERVER} is not installed: the tests need an RTSP server")
    clip: Path = request.getfixturevalue(request.param)
    folder, rtsp, hls = tmp_path_factory.mktemp("server"), free_port(), free_port()
    lines = [
        f"rtspAddress: 127.0.0.1:{rtsp}", "protocols: [tcp]", "rtmpDisable: yes",
        f"hlsAddress: 127.0.0.1:{hls}", "hlsAlwaysRemux: yes", "hlsVariant: fmp4",
        "paths: {all: {}}",
    ]  # fmt: skip
    (folder / "server.yml").write_text("\n".join(lines))
    url = f"rtsp://127.0.0.1:{rtsp}/camera"
    server = subprocess.Popen(
        [program, folder / "server.yml"], cwd=folder, stdout=subprocess.DEVNULL
    )
    processes = [server]
    try:
        _until(lambda: b" 404 " in _describe(rtsp, url))  # it responds
        processes.append(subprocess.Popen([sys.executable, "-c", _PUBLISH, clip, url]))
        _until(lambda: b" 200 " in _describe(rtsp, url))
        yield url, f"http://127.0.0.1:{hls}/camera/"
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _describe(port: int, url: str) -> bytes:
    """Returns the status line of the response to a DESCRIBE; nothing without a server."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=GUARD_S) as connection,
    ):
        connection.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        return connection.recv(4096).partition(b"\r\n")[0]
    return b""


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


async def first(fetcher: Fetcher, url: str, folder: Path) -> Segment:
    async with aclosing(open_source(fetcher, url, folder, 2.0).segments()) as segments:
        return await asyncio.wait_for(anext(segments), GUARD_S)


async def test_a_published_stream_is_read(
    published: tuple[str, str], fetcher: Fetcher, tmp_path: Path
) -> None:
    segment = await first(fetcher, published[0], tmp_path)
    assert segment.seconds == pytest.approx(2.0, abs=0.1)
    assert frame_times(segment) == pytest.approx([i / 12 for i in range(24)], abs=0.02)


@pytest.mark.parametrize("published", ["h264"], indirect=True)  # the one that it remuxes
async def test_the_hls_playlist_of_the_server_is_read(
    published: tuple[str, str], fetcher: Fetcher, tmp_path: Path
) -> None:
    segment = await first(fetcher, await index_of(published[1]), tmp_path)
    assert segment.seconds >= 2
    assert len(frame_times(segment)) == pytest.approx(12 * segment.seconds, abs=2)


async def test_a_path_without_a_publisher_is_unreachable(
    published: tuple[str, str], fetcher: Fetcher, tmp_path: Path
) -> None:
    source = open_source(fetcher, f"{published[0]}-of-nobody", tmp_path, 2.0)
    with pytest.raises(UnreachableURL, match="404"):
        await anext(source.segments())


async def index_of(url: str) -> str:
    """Waits until the server has created the playlist."""
    async with httpx.AsyncClient(timeout=GUARD_S) as client, asyncio.timeout(GUARD_S):
        while (await client.get(f"{url}index.m3u8")).status_code != 200:
            await asyncio.sleep(0.2)
    return f"{url}index.m3u8"
