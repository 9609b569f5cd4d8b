"""HLS (RFC 8216): playlists and media segments, fetched over the same checked connections as URLs.

FFmpeg receives files of media segments and never a playlist, so it opens no address itself.
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
from deepfake_serving.gateway.sources.playlist import (
    MediaSegment,
    Playlist,
    parse_playlist,
    select_variant,
)
from deepfake_serving.gateway.sources.segment import MAX_SEGMENT_BYTES, Segment
from deepfake_serving.gateway.sources.segmenter import Segmenter

_MAX_PLAYLIST_BYTES, _MAX_INIT_BYTES = 2**20, 2**20
_LIVE_EDGE, _MAX_BEHIND = 3, 12
"""Media segments before the end where a live playlist starts, and the most that are caught up."""
_MIN_POLL_S, _MAX_POLL_S = 0.25, 10.0
_STALE_S, _STALE_TARGETS = 20.0, 3
"""A playlist is lost if it has not grown for this long and for this many target durations."""
_MAX_FAILURES = 3
"""Consecutive media segments that cannot be fetched, before the source is lost."""


class HLS:
    """A `Source`: one playlist, from its live edge on, or from its start if it has ended."""

    def __init__(self, fetcher: Fetcher, url: str, folder: Path, window_s: float) -> None:
        self._fetcher, self._folder, self._window_s = fetcher, folder, window_s
        self._url = fetcher.check(url)
        self._base = self._url
        self._init: tuple[str | None, bytes] = (None, b"")
        self._next: int | None = None
        self._failed = 0

    async def segments(self) -> AsyncGenerator[Segment, None]:
        """Yields media segments joined to at least `window_s`, unless a gap ends one early."""
        segmenter = Segmenter(self._folder, self._window_s)
        lost: Problem | None = None
        try:
            async for media, gap in self._media_segments():
                if gap or media.discontinuity or media.init != self._init[0]:
                    for segment in segmenter.finish(gap):
                        yield segment
                if not await self._append(media, segmenter):
                    for segment in segmenter.finish("a segment could not be fetched"):
                        yield segment
                elif segmenter.full:
                    for segment in segmenter.finish():
                        yield segment
        except (UnreachableURL, DeadlineExceeded) as problem:
            lost = problem
        finally:
            rest = segmenter.finish()
        for segment in rest:
            yield segment
        if lost is not None:
            raise lost

    async def _media_segments(self) -> AsyncGenerator[tuple[MediaSegment, str | None], None]:
        """Yields new media segments, each with the reason why some before it are missing."""
        loop = asyncio.get_running_loop()
        url, last_growth = await self._media_url(), loop.time()
        while True:
            playlist = await self._load(url)
            new, gap = _new_segments(playlist, self._next)
            for media in new:
                self._next, last_growth = media.sequence + 1, loop.time()
                yield media, gap
                gap = None
            if playlist.ended:
                return
            if loop.time() - last_growth > max(_STALE_S, _STALE_TARGETS * playlist.target_s):
                raise UnreachableURL("the playlist has stopped growing")
            poll_s = playlist.target_s / (1 if new else 2)
            await asyncio.sleep(min(max(poll_s, _MIN_POLL_S), _MAX_POLL_S))

    async def _media_url(self) -> URL:
        """Returns the URL of the media playlist: this one, or a variant of a master playlist."""
        url, text = await self._text(self._url)
        playlist = parse_playlist(text)
        if isinstance(playlist, Playlist):
            return url
        return self._fetcher.resolve(url, select_variant(playlist).uri)

    async def _load(self, url: URL) -> Playlist:
        self._base, text = await self._text(url)
        playlist = parse_playlist(text)
        if not isinstance(playlist, Playlist):
            raise UnsupportedMediaType("a variant of the HLS playlist is no media playlist")
        return playlist

    async def _text(self, url: URL) -> tuple[URL, str]:
        """Fetches a playlist, and returns its final URL, which its URIs are relative to."""
        data = bytearray()
        final = await self._fetcher.fetch(str(url), data.extend, _MAX_PLAYLIST_BYTES)
        return final, data.decode(errors="replace")

    async def _append(self, media: MediaSegment, segmenter: Segmenter) -> bool:
        """Fetches a media segment; False if it cannot be fetched.

        Raises:
            Problem: as `Fetcher.fetch`, or several in a row cannot be fetched.
        """
        try:
            if media.init != self._init[0]:
                data = bytearray()
                await self._fetch(str(media.init), data.extend, _MAX_INIT_BYTES)
                self._init = media.init, bytes(data)
            with segmenter.appending(self._init[1], media.seconds) as write:
                await self._fetch(media.uri, write, MAX_SEGMENT_BYTES)
        except (UnreachableURL, DeadlineExceeded):
            self._failed += 1
            if self._failed >= _MAX_FAILURES:
                raise
            return False
        self._failed = 0
        return True

    async def _fetch(self, uri: str, write: Callable[[bytes], object], max_bytes: int) -> None:
        await self._fetcher.fetch(str(self._fetcher.resolve(self._base, uri)), write, max_bytes)


def _new_segments(
    playlist: Playlist, next_sequence: int | None
) -> tuple[list[MediaSegment], str | None]:
    """Returns the media segments to read now, and why some before them are skipped."""
    segments = playlist.segments
    if next_sequence is None:
        return (segments if playlist.ended else segments[-_LIVE_EDGE:]), None
    if segments and segments[-1].sequence < next_sequence - 1:
        return segments[-_LIVE_EDGE:], "the playlist restarted"
    new = [segment for segment in segments if segment.sequence >= next_sequence]
    if len(new) > _MAX_BEHIND and not playlist.ended:
        return new[-_LIVE_EDGE:], "the analysis fell behind"
    skipped = bool(new) and new[0].sequence > next_sequence
    return new, "segments expired before they were read" if skipped else None
