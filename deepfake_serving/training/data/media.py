"""Labelled image and video files, and the frames sampled from them.

root/real/**            real
root/fake/**            fake; a folder below names the manipulation
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from deepfake_serving.training.data.images import check_folder, read_image
from deepfake_serving.training.data.portraits import IMAGE_SUFFIXES
from model_handlers.pipeline.decode import Pixels

VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An image or video. Files with the same `identity` are never split between folds."""

    path: Path
    fake: bool
    manipulation: str
    identity: str

    @property
    def video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def read_media(root: Path, identity: str = r"(\d+)\D*$") -> list[MediaFile]:
    """Lists the images and videos below `root/real` and `root/fake`, sorted by path.

    Args:
        identity: regular expression searched in the file's stem. Its first group is shared by a
            fake and the original it was made from. Without a match the stem is the identity.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: one of the two folders is missing or empty.
    """
    check_folder(root)
    return [
        MediaFile(
            path, label == "fake", _manipulation(path, root / label), _identity(path, identity)
        )
        for label in ("real", "fake")
        for path in _paths(root / label)
    ]


def _paths(folder: Path) -> list[Path]:
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes)
    if not paths:
        raise ValueError(f"{folder}: no image and no video")
    return paths


def _manipulation(path: Path, folder: Path) -> str:
    below = path.relative_to(folder).parts
    return below[0] if len(below) > 1 else folder.name


def _identity(path: Path, pattern: str) -> str:
    match = re.search(pattern, path.stem)
    return match.group(1) if match else path.stem


def sample_frames(media_file: MediaFile, count: int) -> Iterator[tuple[int, Pixels]]:
    """Yields up to `count` numbered frames, evenly spaced over a video; an image is one frame."""
    if not media_file.video:
        yield 0, read_image(media_file.path)
        return
    with av.open(str(media_file.path)) as container:
        total = container.streams.video[0].frames or sum(1 for _ in container.decode(video=0))
    numbers = np.linspace(0, total - 1, min(count, total) + 2).round().astype(int)
    yield from read_frames(media_file, set(numbers[1:-1].tolist()))


def read_frames(media_file: MediaFile, numbers: Container[int]) -> Iterator[tuple[int, Pixels]]:
    """Yields the frames with these numbers that the video has; an image is frame 0."""
    if not media_file.video:
        yield from sample_frames(media_file, 1)
        return
    with av.open(str(media_file.path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                yield number, frame.to_ndarray(format="rgb24").astype(np.uint8)
