"""HLS that FFmpeg wrote, from servers on loopback, and from hostile servers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import (
    Problem,
    RefusedURL,
    TooLarge,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources import hls
from deepfake_serving.gateway.sources.hls import HLS
from deepfake_serving.gateway.sources.segment import Segment
from tests.support.media_servers import GrowingPlaylist, serving, write_hls
from tests.unit.gateway.sources.conftest import SECONDS, all_of, files_in, frame_times


async def read(source: HLS) -> list[Segment]:
    async with aclosing(source.segments()) as segments, asyncio.timeout(120):
        return [segment async for segment in segments]


@pytest.fixture(params=["mpegts", "fmp4"])
def playlist(request: pytest.FixtureRequest, h264: Path, tmp_path: Path) -> GrowingPlaylist:
    return GrowingPlaylist(write_hls(h264, tmp_path / "hls", kind=request.param), kept=3)


async def test_a_live_playlist_is_followed_to_its_end(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "_MAX_POLL_S", 0.1)
    monkeypatch.setattr(hls, "_MIN_POLL_S", 0.1)
    async with serving(playlist.respond) as url:
        growing = asyncio.create_task(playlist.grow())
        segments = await read(HLS(fetcher, f"{url}/live.m3u8", tmp_path, 2.0))
        await growing
    assert sum(segment.seconds for segment in segments) == pytest.approx(SECONDS, abs=0.1)
    assert all(segment.seconds >= 2.0 for segment in segments[:-1])
    assert sum(len(frame_times(segment)) for segment in segments) == 12 * SECONDS, "each frame once"
    assert [segment.gap for segment in segments] == [None] * len(segments)
    segments = [name for name in playlist.requests if not name.endswith("m3u8")]
    assert len(segments) == len(set(segments)), "none is fetched twice"


async def test_an_ended_playlist_is_read_from_its_start(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.kept = playlist.available = len(playlist.segments)
    playlist.ended = True
    async with serving(playlist.respond) as url:
        segments = await read(HLS(fetcher, f"{url}/all.m3u8", tmp_path, 4.0))
    assert [round(segment.seconds) for segment in segments] == [4, 4]


async def test_uris_are_relative_to_the_redirected_playlist(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.ended = True

    async def respond(request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            raise web.HTTPFound("/deep/master.m3u8")
        if request.path == "/deep/master.m3u8":
            return web.Response(text="#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhd/live.m3u8\n")
        assert request.path.startswith("/deep/hd/"), request.path
        return await playlist.respond(request)

    async with serving(respond) as url:
        assert len(await read(HLS(fetcher, url, tmp_path, 2.0))) == 2


async def test_a_segment_that_cannot_be_fetched_is_a_gap(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.kept = playlist.available = len(playlist.segments)
    playlist.ended = True
    gone = playlist.segments[4][1]

    async def respond(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(gone):
            raise web.HTTPNotFound
        return await playlist.respond(request)

    async with serving(respond) as url:
        segments = await read(HLS(fetcher, f"{url}/all.m3u8", tmp_path, 3.0))
    assert [(round(segment.seconds), segment.gap) for segment in segments] == [
        (3, None),
        (1, None),
        (3, "a segment could not be fetched"),
    ]


async def test_a_slow_reader_continues_at_the_live_edge(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    async with (
        serving(playlist.respond) as url,
        aclosing(HLS(fetcher, f"{url}/a.m3u8", tmp_path, 3.0).segments()) as segments,
    ):
        assert (await anext(segments)).gap is None
        playlist.available = len(playlist.segments)  # five more, of which three are kept
        assert (await anext(segments)).gap == "segments expired before they were read"


async def test_a_playlist_that_stops_growing_is_lost(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "_STALE_S", 0.5)
    monkeypatch.setattr(hls, "_STALE_TARGETS", 0)
    async with serving(playlist.respond) as url:
        source = HLS(fetcher, f"{url}/live.m3u8", tmp_path, 30.0)
        found: list[Segment] = []
        with pytest.raises(UnreachableURL, match="growing"):
            await all_of(source.segments(), found)
        assert [round(segment.seconds) for segment in found] == [3], "what was received is kept"
        playlist.available += 1
        async with aclosing(source.segments()) as again:
            asyncio.get_running_loop().call_later(1, setattr, playlist, "ended", True)
            assert round((await anext(again)).seconds) == 1, "it continues where it stopped"


# Hostile -----------------------------------------------------------------------------------------

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"


async def problem_of(
    fetcher: Fetcher, folder: Path, playlist: str, requests: list[str] | None = None
) -> Problem:
    """Returns the problem of a playlist, in which `{url}` stands for its server."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if requests is not None:
            requests.append(f"{request.host.partition(':')[0]}{request.path}")
        if request.path == "/away":
            raise web.HTTPFound(f"http://127.0.0.2:{request.url.port}/secret")
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"#EXTM3U\n" + bytes(65_536))
        host = f"127.0.0.1:{request.url.port}"
        return web.Response(text=playlist.replace("{url}", f"http://{host}"))

    async with serving(respond) as url:
        with pytest.raises(Problem) as caught:
            await read(HLS(fetcher, f"{url}/live.m3u8", folder, 2.0))
        return caught.value


@pytest.mark.parametrize(
    "line",
    [
        "#EXTINF:1,\nhttp://169.254.169.254/latest/meta-data/",
        "#EXTINF:1,\nhttp://127.0.0.2:{port}/secret",
        "#EXTINF:1,\nhttp://[::1]:{port}/secret",
        "#EXTINF:1,\nfile:///etc/passwd",
        "#EXTINF:1,\nconcat:/etc/passwd",
        "#EXTINF:1,\nrtsp://127.0.0.1:{port}/",
        "#EXTINF:1,\nhttp://u:p@127.0.0.1:{port}/",
        "#EXTINF:1,\n{url}/away",
        '#EXT-X-MAP:URI="http://169.254.169.254/"\n#EXTINF:1,\n{url}/a',
        '#EXT-X-MAP:URI="{url}/away"\n#EXTINF:1,\n{url}/a',
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://169.254.169.254/live.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/away",
    ],
)
async def test_playlists_cannot_reach_refused_addresses(
    line: str, fetcher: Fetcher, tmp_path: Path
) -> None:
    requests: list[str] = []
    port = "80"
    problem = await problem_of(
        fetcher, tmp_path, HEAD + line.replace("{port}", port) + "\n", requests
    )
    assert isinstance(problem, RefusedURL)
    assert not any("secret" in each for each in requests), "the redirect was not followed"
    assert "169.254" not in problem.detail


async def test_endless_playlists_and_segments_are_limited(
    fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = HEAD + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/endless\n"
    assert isinstance(await problem_of(fetcher, tmp_path, master), TooLarge)
    monkeypatch.setattr(hls, "MAX_SEGMENT_BYTES", 10**6)
    segment = HEAD + "#EXTINF:1,\n{url}/endless\n"
    assert isinstance(await problem_of(fetcher, tmp_path, segment), TooLarge)
    assert sum(files_in(tmp_path).values()) == 0, "and nothing is kept"


async def test_a_playlist_of_playlists_of_playlists_ends(fetcher: Fetcher, tmp_path: Path) -> None:
    requests: list[str] = []
    master = HEAD + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/again.m3u8\n"
    assert isinstance(await problem_of(fetcher, tmp_path, master, requests), UnsupportedMediaType)
    assert len(requests) == 2


async def test_a_long_playlist_starts_at_its_end(fetcher: Fetcher, tmp_path: Path) -> None:
    requests: list[str] = []
    many = HEAD + "".join(f"#EXTINF:1,\n{{url}}/{n}\n" for n in range(20_000)) + "#EXTINF:1,\nx:\n"
    assert isinstance(await problem_of(fetcher, tmp_path, many, requests), RefusedURL)
    assert requests == ["127.0.0.1/live.m3u8", "127.0.0.1/live.m3u8", "127.0.0.1/19998",
                     "127.0.0.1/19999"]  # fmt: skip


async def test_segments_without_duration_are_limited_in_number(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    lines = [HEAD, *(f"#EXTINF:0,\n{{url}}/{n}\n" for n in range(200)), "#EXT-X-ENDLIST\n"]

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(text="".join(lines).replace("{url}", f"http://{request.host}"))

    async with serving(respond) as url:
        segments = await read(HLS(fetcher, f"{url}/live.m3u8", tmp_path, 10.0))
    assert len(segments) == 4
