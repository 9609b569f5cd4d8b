"""Opens a live source by its URL, and reconnects when it is lost."""

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

_BACKOFF_S, _MAX_BACKOFF_S = 1.0, 15.0
LOST = (UnreachableURL, DeadlineExceeded)


def open_source(fetcher: Fetcher, url: str, folder: Path, window_s: float) -> Source:
    """Returns the source at a URL. Its segments are files in a folder.

    Raises:
        RefusedURL
    """
    if is_rtsp(url):
        return RTSP(fetcher.policy, fetcher.check(url, RTSP_SCHEMES), folder, window_s)
    return HLS(fetcher, url, folder, window_s)


async def follow(
    source: Source, reconnect_timeout_s: float, resumed: bool
) -> AsyncGenerator[Segment, None]:
    """Yields the segments of a source, and reconnects with exponential backoff.

    Args:
        reconnect_timeout_s: How long the source may be unreachable after it was read once.
        resumed: Whether it was read before.

    Raises:
        UnreachableURL, DeadlineExceeded: the source was unreachable for longer.
        Problem: the source is not supported, or its address is not allowed.
    """
    loop = asyncio.get_running_loop()
    last_s, backoff_s, gap = loop.time() if resumed else None, _BACKOFF_S, None
    while True:
        try:
            async with aclosing(source.segments()) as segments:
                async for segment in segments:
                    yield replace(segment, gap=gap or segment.gap)
                    last_s, backoff_s, gap = loop.time(), _BACKOFF_S, None
            return
        except LOST as problem:
            if last_s is None or loop.time() - last_s > reconnect_timeout_s:
                raise
            gap = f"the source was lost: {problem.detail}"
            log.info("source lost", detail=problem.detail, reconnect_in_s=backoff_s)
        await asyncio.sleep(backoff_s)
        backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)
