"""Sources that FFmpeg made of the one photograph, and who may reach them."""

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
"""Of a clip; with a keyframe each second."""


@pytest.fixture(scope="session")
def h264(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With pictures that are shown in another order than they are sent in."""
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
    """Reaches 127.0.0.1, and no other address that is not public."""
    return Fetcher(AddressPolicy(["127.0.0.1/32"]), 10)


async def all_of(pieces: AsyncIterator[Segment], found: list[Segment]) -> None:
    """Adds them as they come, however they end."""
    async for piece in pieces:
        found.append(piece)  # noqa: PERF401 - those before an error count


def files_in(folder: Path) -> dict[str, int]:
    """Their names and sizes."""
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def shown(piece: Segment) -> list[float]:
    """When its frames are shown, from the first on, in seconds."""
    with av.open(str(piece.path)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    return [round(t - times[0], 3) for t in times]
