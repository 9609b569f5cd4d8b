"""Batches of a reader: what is in them depends on the video alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from deepfake_serving.video import reader
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import VideoReader
from deepfake_serving.video.sampling import Sampling
from tests.support.videos import write_video


@pytest.fixture
def minute(tmp_path: Path) -> Path:
    """A video of 60 s, one frame per second."""
    frames = [np.full((64, 64, 3), shade, np.uint8) for shade in range(60)]
    return write_video(tmp_path / "minute.mp4", frames, rate=1)


def samples(path: Path, sampling: str) -> list[list[int]]:
    """Returns the indices of the samples of each batch that has any."""
    options = VideoOptions(sampling=Sampling.parse(sampling))
    batches = VideoReader(path, options).batches()
    indices = [[sample.index for sample in batch.samples] for batch in batches]
    return [each for each in indices if each]


def test_batches_are_the_same_on_a_slow_machine(
    minute: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = samples(minute, "every:1")
    assert usual[0] == list(range(8))
    clock = itertools.count(1e12, 5.0)
    monkeypatch.setattr(reader.time, "monotonic", lambda: next(clock))
    assert samples(minute, "every:1") == usual


def test_a_batch_of_few_samples_leaves_after_ten_seconds_of_video(minute: Path) -> None:
    assert samples(minute, "every:6") == [[start, start + 6] for start in range(0, 60, 12)]
