"""The images and videos to send, with their faces and sizes."""

from __future__ import annotations

import itertools
import os
import re
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_COMMENT, _FREE = b"\xff\xfe", b"free"
_NAME = re.compile(r"(\d+)-(\d+)x(\d+)-.*")
"""File names: faces, size, and any suffix."""


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG, its number of faces, and its width and height in pixels."""

    data: bytes
    faces: int
    size: tuple[int, int]

    def unique_bytes(self) -> bytes:
        """Returns the image with a new digest, to bypass caches: a random comment (COM, ITU-T T.81
        B.2.4.5) follows the first marker."""
        mark = _random_bytes()
        comment = _COMMENT + struct.pack(">H", len(mark) + 2) + mark
        return self.data[:2] + comment + self.data[2:]


@dataclass(frozen=True, slots=True)
class Video:
    """An MP4, its number of faces, and its width and height in pixels."""

    data: bytes
    faces: int
    size: tuple[int, int]

    def unique_bytes(self) -> bytes:
        """Returns the video with a new digest: a random box that players skip (`free`, ISO/IEC
        14496-12, 8.1.2) is appended."""
        mark = _random_bytes()
        return self.data + struct.pack(">I", len(mark) + 8) + _FREE + mark


@dataclass(frozen=True, slots=True)
class Media:
    """The media of a run."""

    images: tuple[Image, ...]
    videos: tuple[Video, ...]


def load(folder: Path) -> Media:
    """Loads the `.jpg` and `.mp4` files of a folder, named `<faces>-<width>x<height>-<anything>`.

    Raises:
        ValueError: a file has another name, or there is no image or no video.
    """
    images = tuple(Image(*_read(path)) for path in sorted(folder.glob("*.jpg")))
    videos = tuple(Video(*_read(path)) for path in sorted(folder.glob("*.mp4")))
    if not images or not videos:
        raise ValueError(f"{folder} must contain images (.jpg) and videos (.mp4)")
    return Media(images, videos)


def generate() -> Media:
    """Generates media from scikit-image's photos. Takes a few seconds."""
    from loadtest.generate_media import generate as write  # needs optional packages

    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        write(Path(folder))
        return load(Path(folder))


def cycle_from_random(media: Sequence[T]) -> Iterator[T]:
    """Cycles through the media from a random start."""
    start = int.from_bytes(os.urandom(4), "big") % len(media)
    return itertools.islice(itertools.cycle(media), start, None)


def _read(path: Path) -> tuple[bytes, int, tuple[int, int]]:
    if (match := _NAME.fullmatch(path.stem)) is None:
        raise ValueError(f"{path.name} is not named <faces>-<width>x<height>-<anything>")
    faces, width, height = map(int, match.groups())
    return path.read_bytes(), faces, (width, height)


def _random_bytes() -> bytes:
    return os.urandom(16)
