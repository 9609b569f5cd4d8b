"""Clips that FFmpeg made of the test image, and a fetcher that may reach loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.sources.segment import Segment
from model_handlers.pipeline.decode import Pixels
from tests.support.videos import pan, write_video

SECONDS = 8
"""Duration of a clip, with a keyframe every second."""


@pytest.fixture(scope="session")
def h264(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with B-frames, which are presented in another order than they are transmitted."""
    path = tmp_path_factory.mktemp("clip") / "h264.mp4"
    frames = pan(astronaut, 12 * SECONDS, (0, 0))
    return write_video(path, frames, codec_options={"bf": "2"})


@pytest.fixture(scope="session")
def h265(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "h265.mp4"
    options = {"x265-params": "keyint=12:open-gop=0:log-level=none"}
    frames = pan(astronaut, 12 * SECONDS, (0, 0))
    return write_video(path, frames, codec="libx265", codec_options=options)


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher that may reach 127.0.0.1, and no other private address."""
    return Fetcher(AddressPolicy(["127.0.0.1/32"]), 10)


async def all_of(segments: AsyncIterator[Segment], found: list[Segment]) -> None:
    """Appends segments as they arrive, also before an error."""
    async for segment in segments:
        found.append(segment)  # noqa: PERF401 - the segments before an error count


def files_in(folder: Path) -> dict[str, int]:
    """Returns names and sizes of the files."""
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def frame_times(segment: Segment) -> list[float]:
    """Returns the presentation times of the frames, in seconds since the first."""
    with av.open(str(segment.path)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    return [round(t - times[0], 3) for t in times]
