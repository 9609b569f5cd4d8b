"""HLS (RFC 8216): playlists and segments, each fetched by the checked connections of all URLs.

FFmpeg is given files of segments and never a playlist, so that it opens no address of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from yarl import URL

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources.playlist import MediaSegment, Playlist, best, parse
from deepfake_serving.gateway.sources.segment import MOST_BYTES, Segment
from deepfake_serving.gateway.sources.segmenter import Segmenter

_MOST_PLAYLIST, _MOST_INIT = 2**20, 2**20
_EDGE, _BEHIND = 3, 12
"""Segments from the end where a live stream is begun, and how many may still be caught up."""
_LEAST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_STALE_S, _STALE = 20.0, 3
"""A playlist that has not grown for so long, and so many target durations, is no more."""
_FAILURES = 3
"""Segments in a row that are not to be had: then the source is lost."""


class HLS:
    """A `Source`: one playlist, from its live edge on; one that has ended, from its start."""

    def __init__(self, fetcher: Fetcher, url: str, folder: Path, window_s: float) -> None:
        self._fetcher, self._folder, self._window_s = fetcher, folder, window_s
        self._url = fetcher.check(url)
        self._base = self._url
        self._init: tuple[str | None, bytes] = (None, b"")
        self._following: int | None = None
        self._failed = 0

    async def pieces(self) -> AsyncGenerator[Segment, None]:
        """Pieces of whole segments, at least `window_s` long where nothing cuts them short."""
        cutter = Segmenter(self._folder, self._window_s)
        lost: Problem | None = None
        try:
            async for segment, missed in self._segments():
                if missed or segment.cut or segment.init != self._init[0]:
                    for piece in cutter.cut(missed):
                        yield piece
                if not await self._add(segment, cutter):
                    for piece in cutter.cut("a segment could not be fetched"):
                        yield piece
                elif cutter.full:
                    for piece in cutter.cut():
                        yield piece
        except (UnreachableURL, DeadlineExceeded) as problem:
            lost = problem
        finally:
            rest = cutter.cut()
        for piece in rest:
            yield piece
        if lost is not None:
            raise lost

    async def _segments(self) -> AsyncGenerator[tuple[MediaSegment, str | None], None]:
        """New segments as they appear, with why some before are missing, where they are."""
        loop = asyncio.get_running_loop()
        url, grown = await self._media_url(), loop.time()
        while True:
            playlist = await self._load(url)
            new, missed = _new(playlist, self._following)
            for segment in new:
                self._following, grown = segment.number + 1, loop.time()
                yield segment, missed
                missed = None
            if playlist.ended:
                return
            if loop.time() - grown > max(_STALE_S, _STALE * playlist.target_s):
                raise UnreachableURL("the playlist has stopped growing")
            pause = playlist.target_s / (1 if new else 2)
            await asyncio.sleep(min(max(pause, _LEAST_PAUSE_S), _LONGEST_PAUSE_S))

    async def _media_url(self) -> URL:
        """The playlist itself, or the best of those that it names."""
        url, text = await self._text(self._url)
        found = parse(text)
        return url if isinstance(found, Playlist) else self._fetcher.resolve(url, best(found).uri)

    async def _load(self, url: URL) -> Playlist:
        self._base, text = await self._text(url)
        found = parse(text)
        if not isinstance(found, Playlist):
            raise UnsupportedMediaType("a variant of the HLS playlist is no media playlist")
        return found

    async def _text(self, url: URL) -> tuple[URL, str]:
        """With where it was found in the end, from which its URIs count."""
        data = bytearray()
        found = await self._fetcher.fetch(str(url), data.extend, _MOST_PLAYLIST)
        return found, data.decode(errors="replace")

    async def _add(self, segment: MediaSegment, cutter: Segmenter) -> bool:
        """False where the segment is not to be had.

        Raises:
            Problem: as `Fetcher.fetch`, also where several in a row are not to be had.
        """
        try:
            if segment.init != self._init[0]:
                data = bytearray()
                await self._bring(str(segment.init), data.extend, _MOST_INIT)
                self._init = segment.init, bytes(data)
            with cutter.adding(self._init[1], segment.seconds) as write:
                await self._bring(segment.uri, write, MOST_BYTES)
        except (UnreachableURL, DeadlineExceeded):
            self._failed += 1
            if self._failed >= _FAILURES:
                raise
            return False
        self._failed = 0
        return True

    async def _bring(self, uri: str, write: Callable[[bytes], object], most: int) -> None:
        await self._fetcher.fetch(str(self._fetcher.resolve(self._base, uri)), write, most)


def _new(playlist: Playlist, following: int | None) -> tuple[list[MediaSegment], str | None]:
    """The segments to read now, and why some were passed over."""
    segments = playlist.segments
    if following is None:
        return (segments if playlist.ended else segments[-_EDGE:]), None
    if segments and segments[-1].number < following - 1:
        return segments[-_EDGE:], "the playlist began anew"
    new = [segment for segment in segments if segment.number >= following]
    if len(new) > _BEHIND and not playlist.ended:
        return new[-_EDGE:], "the analysis fell behind"
    missed = bool(new) and new[0].number > following
    return new, "segments were gone before they were read" if missed else None
