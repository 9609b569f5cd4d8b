"""The pictures and videos that are sent, and what is known of them."""

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
"""How a file is named: faces, size, and anything."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, how many faces are on it, and its width and height in pixels."""

    data: bytes
    faces: int
    size: tuple[int, int]

    def anew(self) -> bytes:
        """The same picture in bytes that were never sent before: with a comment (COM, ITU-T T.81
        B.2.4.5) after the first marker, so that nothing that goes by a digest knows it."""
        mark = _mark()
        comment = _COMMENT + struct.pack(">H", len(mark) + 2) + mark
        return self.data[:2] + comment + self.data[2:]


@dataclass(frozen=True, slots=True)
class Video:
    """An MP4, how many faces are in it, and its width and height in pixels."""

    data: bytes
    faces: int
    size: tuple[int, int]

    def anew(self) -> bytes:
        """The same video in bytes that were never sent before: with a box at its end that players
        skip (`free`, ISO/IEC 14496-12, 8.1.2)."""
        mark = _mark()
        return self.data + struct.pack(">I", len(mark) + 8) + _FREE + mark


@dataclass(frozen=True, slots=True)
class Media:
    """What a run sends."""

    pictures: tuple[Picture, ...]
    videos: tuple[Video, ...]


def load(folder: Path) -> Media:
    """The `.jpg` and `.mp4` of a folder, each named `<faces>-<width>x<height>-<anything>`.

    Raises:
        ValueError: another name, or none of either.
    """
    pictures = tuple(Picture(*_read(path)) for path in sorted(folder.glob("*.jpg")))
    videos = tuple(Video(*_read(path)) for path in sorted(folder.glob("*.mp4")))
    if not pictures or not videos:
        raise ValueError(f"{folder} has to hold pictures (.jpg) and videos (.mp4)")
    return Media(pictures, videos)


def made() -> Media:
    """Media made of photographs that scikit-image brings, in some seconds."""
    from loadtest.generate_media import make  # with media of one's own, its packages are not needed

    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        make(Path(folder))
        return load(Path(folder))


def in_turn(media: Sequence[T]) -> Iterator[T]:
    """All of them again and again; each caller begins elsewhere."""
    start = int.from_bytes(os.urandom(4), "big") % len(media)
    return itertools.islice(itertools.cycle(media), start, None)


def _read(path: Path) -> tuple[bytes, int, tuple[int, int]]:
    if (match := _NAME.fullmatch(path.stem)) is None:
        raise ValueError(f"{path.name} is not named <faces>-<width>x<height>-<anything>")
    faces, width, height = map(int, match.groups())
    return path.read_bytes(), faces, (width, height)


def _mark() -> bytes:
    return os.urandom(16)
