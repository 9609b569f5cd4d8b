"""Labelled pictures and videos to judge: which frames, which faces, what is known of them.

root/real/**            real
root/fake/**            fake; a folder below names the manipulation
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.cache import cached
from deepfake_serving.training.data.faces import PICTURES
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from model_handlers.pipeline.faces import FaceFinder

VIDEOS = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"}
_VERSION = 2
_REGION = 2.0


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or video. Media of one `identity` stay together when folds are drawn."""

    path: Path
    fake: bool
    manipulation: str
    identity: str

    @property
    def video(self) -> bool:
        return self.path.suffix.lower() in VIDEOS


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """A face with its surroundings, cut from a frame at full resolution, before any resizing."""

    pixels: Pixels
    box: tuple[float, float, float, float]
    frame: int

    @property
    def face_px(self) -> float:
        """The longer side of the face's box, source pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def read_media(root: Path, identity: str = r"(\d+)\D*$") -> list[Medium]:
    """All pictures and videos below `root/real` and `root/fake`, sorted.

    Args:
        identity: a regular expression searched in the file's stem; its first group is shared by a
            fake and the original it was made of. Without a match the stem itself is taken.

    Raises:
        ValueError: one of the two is missing or empty.
    """
    media = []
    for label in ("real", "fake"):
        known = PICTURES | VIDEOS
        paths = sorted(p for p in (root / label).rglob("*") if p.suffix.lower() in known)
        if not paths:
            raise ValueError(f"{root / label}: no picture and no video")
        for path in paths:
            match = re.search(identity, path.stem)
            below = path.relative_to(root / label).parts
            kind = below[0] if len(below) > 1 else label
            media.append(
                Medium(path, label == "fake", kind, match.group(1) if match else path.stem)
            )
    return media


def frames(medium: Medium, count: int) -> Iterator[tuple[int, Pixels]]:
    """Up to `count` frames of a video spread evenly over it, numbered; a picture is one frame."""
    if not medium.video:
        yield 0, decode(medium.path.read_bytes(), DecodeSpec())
        return
    with av.open(str(medium.path)) as container:
        total = container.streams.video[0].frames or sum(1 for _ in container.decode(video=0))
    spread = np.linspace(0, total - 1, min(count, total) + 2).round().astype(int)
    yield from frames_at(medium, set(spread[1:-1].tolist()))


def frames_at(medium: Medium, numbers: Container[int]) -> Iterator[tuple[int, Pixels]]:
    """The frames of a video with these numbers, as far as it has them; a picture is frame 0."""
    if not medium.video:
        yield from frames(medium, 1)
        return
    with av.open(str(medium.path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                yield number, frame.to_ndarray(format="rgb24").astype(np.uint8)


def face_regions(
    medium: Medium, count: int, finder: FaceFinder, cache: Path | None = None
) -> list[FaceRegion]:
    """The largest face of each sampled frame; frames without a face are left out."""

    def make() -> _Regions:
        regions = [_largest(image, number, finder) for number, image in frames(medium, count)]
        return _Regions.pack([region for region in regions if region is not None])

    if cache is None:
        return make().unpack()
    stat = medium.path.stat()
    key = ["regions", _VERSION, medium.path, stat.st_size, stat.st_mtime_ns, count, finder.spec]
    return cached(cache, key, _Regions, make).unpack()


@dataclass(frozen=True, slots=True)
class _Regions:
    """Regions of unequal sizes as flat arrays, which is what the cache keeps."""

    pixels: npt.NDArray[np.uint8]
    shapes: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.int64]

    @classmethod
    def pack(cls, regions: Sequence[FaceRegion]) -> _Regions:
        flat = [r.pixels.ravel() for r in regions]
        return cls(
            np.concatenate(flat) if flat else np.zeros(0, np.uint8),
            np.array([r.pixels.shape for r in regions], np.int64).reshape(-1, 3),
            np.array([r.box for r in regions], np.float64).reshape(-1, 4),
            np.array([r.frame for r in regions], np.int64),
        )

    def unpack(self) -> list[FaceRegion]:
        ends = np.cumsum(self.shapes.prod(1))
        parts = np.split(self.pixels, ends[:-1]) if len(ends) else []
        return [
            FaceRegion(part.reshape(shape), (b[0], b[1], b[2], b[3]), int(number))
            for part, shape, b, number in zip(
                parts, self.shapes, self.boxes.tolist(), self.numbers, strict=True
            )
        ]


def _largest(image: Pixels, number: int, finder: FaceFinder) -> FaceRegion | None:
    found = finder.find([image])[0]
    if not found:
        return None
    x1, y1, x2, y2 = max(found, key=lambda face: face.area).box
    half = _REGION * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    region = image[top : int(y + half), left : int(x + half)]
    box = (x1 - left, y1 - top, x2 - left, y2 - top)
    return FaceRegion(np.ascontiguousarray(region), box, number)
