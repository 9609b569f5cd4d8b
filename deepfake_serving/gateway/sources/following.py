"""A live source by its URL, connected to again where it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import structlog

from deepfake_serving.contracts.problems import DeadlineExceeded, UnreachableURL
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.fetch.schemes import RTSP_SCHEMES, is_rtsp
from deepfake_serving.gateway.sources.hls import HLS
from deepfake_serving.gateway.sources.rtsp import RTSP
from deepfake_serving.gateway.sources.segment import Segment, Source

log = structlog.get_logger(__name__)

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
LOST = (UnreachableURL, DeadlineExceeded)


def open_source(fetcher: Fetcher, url: str, folder: Path, window_s: float) -> Source:
    """The source at a URL, whose pieces are files in a folder.

    Raises:
        RefusedURL
    """
    if is_rtsp(url):
        return RTSP(fetcher.policy, fetcher.check(url, RTSP_SCHEMES), folder, window_s)
    return HLS(fetcher, url, folder, window_s)


async def follow(source: Source, patience_s: float, known: bool) -> AsyncGenerator[Segment, None]:
    """All pieces of a source, whatever connections they come over.

    Args:
        patience_s: for so long it may be away, if it was ever there.
        known: whether it was, before.

    Raises:
        UnreachableURL, DeadlineExceeded: it was away for longer.
        Problem: it can't be read, or leads to where nobody may go.
    """
    loop = asyncio.get_running_loop()
    heard, pause_s, gap = loop.time() if known else None, _PAUSE_S, None
    while True:
        try:
            async with aclosing(source.pieces()) as pieces:
                async for piece in pieces:
                    yield replace(piece, gap=gap or piece.gap)
                    heard, pause_s, gap = loop.time(), _PAUSE_S, None
            return
        except LOST as problem:
            if heard is None or loop.time() - heard > patience_s:
                raise
            gap = f"the source was lost: {problem.detail}"
            log.info("source lost", detail=problem.detail, again_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
