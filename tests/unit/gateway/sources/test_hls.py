"""HLS as FFmpeg writes it, from servers on loopback; and what a hostile server can do."""

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
from tests.unit.gateway.sources.conftest import SECONDS, all_of, files_in, shown


async def read(source: HLS) -> list[Segment]:
    async with aclosing(source.pieces()) as pieces, asyncio.timeout(20):
        return [piece async for piece in pieces]


@pytest.fixture(params=["mpegts", "fmp4"])
def playlist(request: pytest.FixtureRequest, h264: Path, tmp_path: Path) -> GrowingPlaylist:
    return GrowingPlaylist(write_hls(h264, tmp_path / "hls", kind=request.param), kept=3)


async def test_a_live_playlist_is_followed_to_its_end(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    async with serving(playlist.answer) as url:
        growing = asyncio.create_task(playlist.grow(0.3))
        pieces = await read(HLS(fetcher, f"{url}/live.m3u8", tmp_path, 2.0))
        await growing
    assert sum(piece.seconds for piece in pieces) == pytest.approx(SECONDS, abs=0.1)
    assert all(piece.seconds >= 2.0 for piece in pieces[:-1])
    assert sum(len(shown(piece)) for piece in pieces) == 12 * SECONDS, "each frame once"
    assert [piece.gap for piece in pieces] == [None] * len(pieces)
    segments = [name for name in playlist.asked if not name.endswith("m3u8")]
    assert len(segments) == len(set(segments)), "none is fetched twice"


async def test_a_playlist_that_has_ended_is_read_from_its_start(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.kept = playlist.there = len(playlist.segments)
    playlist.ended = True
    async with serving(playlist.answer) as url:
        pieces = await read(HLS(fetcher, f"{url}/all.m3u8", tmp_path, 4.0))
    assert [round(piece.seconds) for piece in pieces] == [4, 4]


async def test_a_redirected_master_playlist_leads_to_segments_beside_what_it_names(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.ended = True

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            raise web.HTTPFound("/deep/master.m3u8")
        if request.path == "/deep/master.m3u8":
            return web.Response(text="#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhd/live.m3u8\n")
        assert request.path.startswith("/deep/hd/"), request.path
        return await playlist.answer(request)

    async with serving(answer) as url:
        assert len(await read(HLS(fetcher, url, tmp_path, 2.0))) == 2


async def test_a_segment_that_is_not_to_be_had_is_a_gap(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    playlist.kept = playlist.there = len(playlist.segments)
    playlist.ended = True
    gone = playlist.segments[4][1]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(gone):
            raise web.HTTPNotFound
        return await playlist.answer(request)

    async with serving(answer) as url:
        pieces = await read(HLS(fetcher, f"{url}/all.m3u8", tmp_path, 3.0))
    assert [(round(piece.seconds), piece.gap) for piece in pieces] == [
        (3, None),
        (1, None),
        (3, "a segment could not be fetched"),
    ]


async def test_who_falls_behind_goes_on_at_the_live_edge(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path
) -> None:
    async with (
        serving(playlist.answer) as url,
        aclosing(HLS(fetcher, f"{url}/a.m3u8", tmp_path, 3.0).pieces()) as pieces,
    ):
        assert (await anext(pieces)).gap is None
        playlist.there = len(playlist.segments)  # five more, of which three are kept
        assert (await anext(pieces)).gap == "segments were gone before they were read"


async def test_a_playlist_that_stops_growing_is_lost(
    playlist: GrowingPlaylist, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "_STALE_S", 0.5)
    monkeypatch.setattr(hls, "_STALE", 0)
    async with serving(playlist.answer) as url:
        source = HLS(fetcher, f"{url}/live.m3u8", tmp_path, 30.0)
        found: list[Segment] = []
        with pytest.raises(UnreachableURL, match="growing"):
            await all_of(source.pieces(), found)
        assert [round(piece.seconds) for piece in found] == [3], "what there was is not lost"
        playlist.there += 1
        async with aclosing(source.pieces()) as again:
            asyncio.get_running_loop().call_later(1, setattr, playlist, "ended", True)
            assert round((await anext(again)).seconds) == 1, "it goes on where it was"


# Hostile -----------------------------------------------------------------------------------------

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"


async def end_of(
    fetcher: Fetcher, folder: Path, playlist: str, asked: list[str] | None = None
) -> Problem:
    """What a playlist, in which `{url}` is its server, comes to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if asked is not None:
            asked.append(f"{request.host.partition(':')[0]}{request.path}")
        if request.path == "/away":
            raise web.HTTPFound(f"http://127.0.0.2:{request.url.port}/secret")
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"#EXTM3U\n" + bytes(65_536))
        host = f"127.0.0.1:{request.url.port}"
        return web.Response(text=playlist.replace("{url}", f"http://{host}"))

    async with serving(answer) as url:
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
async def test_no_playlist_leads_where_nobody_may_go(
    line: str, fetcher: Fetcher, tmp_path: Path
) -> None:
    asked: list[str] = []
    port = "80"
    problem = await end_of(fetcher, tmp_path, HEAD + line.replace("{port}", port) + "\n", asked)
    assert isinstance(problem, RefusedURL)
    assert not any("secret" in each for each in asked), "the redirect was not followed"
    assert "169.254" not in problem.detail


async def test_an_endless_playlist_and_a_huge_segment_are_cut_off(
    fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = HEAD + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/endless\n"
    assert isinstance(await end_of(fetcher, tmp_path, master), TooLarge)
    monkeypatch.setattr(hls, "MOST_BYTES", 10**6)
    segment = HEAD + "#EXTINF:1,\n{url}/endless\n"
    assert isinstance(await end_of(fetcher, tmp_path, segment), TooLarge)
    assert sum(files_in(tmp_path).values()) == 0, "and nothing is kept"


async def test_a_playlist_of_playlists_of_playlists_ends(fetcher: Fetcher, tmp_path: Path) -> None:
    asked: list[str] = []
    master = HEAD + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/again.m3u8\n"
    assert isinstance(await end_of(fetcher, tmp_path, master, asked), UnsupportedMediaType)
    assert len(asked) == 2


async def test_a_playlist_of_many_segments_is_begun_at_its_end(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    asked: list[str] = []
    many = HEAD + "".join(f"#EXTINF:1,\n{{url}}/{n}\n" for n in range(20_000)) + "#EXTINF:1,\nx:\n"
    assert isinstance(await end_of(fetcher, tmp_path, many, asked), RefusedURL)
    assert asked == ["127.0.0.1/live.m3u8", "127.0.0.1/live.m3u8", "127.0.0.1/19998",
                     "127.0.0.1/19999"]  # fmt: skip


async def test_segments_without_length_are_still_cut(fetcher: Fetcher, tmp_path: Path) -> None:
    lines = [HEAD, *(f"#EXTINF:0,\n{{url}}/{n}\n" for n in range(200)), "#EXT-X-ENDLIST\n"]

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="".join(lines).replace("{url}", f"http://{request.host}"))

    async with serving(answer) as url:
        pieces = await read(HLS(fetcher, f"{url}/live.m3u8", tmp_path, 10.0))
    assert len(pieces) == 4
