"""The largest face of each sampled frame, cut out with its surroundings and cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.cache import cached
from deepfake_serving.training.data.media import MediaFile, sample_frames
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector

_VERSION = 2
_REGION_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """A face with its surroundings, cut from a frame at full resolution, before any resizing."""

    pixels: Pixels
    box: tuple[float, float, float, float]
    frame: int

    @property
    def face_px(self) -> float:
        """The longer side of the face box, source pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def face_regions(
    media_file: MediaFile, count: int, face_detector: FaceDetector, cache: Path | None = None
) -> list[FaceRegion]:
    """Returns the largest face of each of `count` sampled frames, without frames that show none."""

    def build() -> _RegionArrays:
        frames = sample_frames(media_file, count)
        regions = [_largest_face(image, number, face_detector) for number, image in frames]
        return _RegionArrays.pack([region for region in regions if region is not None])

    if cache is None:
        return build().unpack()
    stat = media_file.path.stat()
    key = [
        "regions",
        _VERSION,
        media_file.path,
        stat.st_size,
        stat.st_mtime_ns,
        count,
        face_detector.spec,
    ]
    return cached(cache, key, _RegionArrays, build).unpack()


@dataclass(frozen=True, slots=True)
class _RegionArrays:
    """Regions of unequal sizes as flat arrays: the format of the cache."""

    pixels: npt.NDArray[np.uint8]
    shapes: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.int64]

    @classmethod
    def pack(cls, regions: Sequence[FaceRegion]) -> _RegionArrays:
        flat = [r.pixels.ravel() for r in regions]
        return cls(
            np.concatenate(flat) if flat else np.zeros(0, np.uint8),
            np.array([r.pixels.shape for r in regions], np.int64).reshape(-1, 3),
            np.array([r.box for r in regions], np.float64).reshape(-1, 4),
            np.array([r.frame for r in regions], np.int64),
        )

    def unpack(self) -> list[FaceRegion]:
        ends = np.cumsum(self.shapes.prod(1))
        flat = np.split(self.pixels, ends[:-1]) if len(ends) else []
        return [
            FaceRegion(pixels.reshape(shape), (b[0], b[1], b[2], b[3]), int(number))
            for pixels, shape, b, number in zip(
                flat, self.shapes, self.boxes.tolist(), self.numbers, strict=True
            )
        ]


def _largest_face(image: Pixels, number: int, face_detector: FaceDetector) -> FaceRegion | None:
    faces = face_detector.detect([image])[0]
    if not faces:
        return None
    box = max(faces, key=lambda face: face.area).box
    pixels, (left, top) = cut_region(image, box, _REGION_SCALE)
    x1, y1, x2, y2 = box
    inner = (x1 - left, y1 - top, x2 - left, y2 - top)
    return FaceRegion(np.ascontiguousarray(pixels), inner, number)


def cut_region(
    image: Pixels, box: tuple[float, float, float, float], scale: float
) -> tuple[Pixels, tuple[int, int]]:
    """Cuts a square of `scale` times the box's longer side around it, as far as the image goes.

    Returns:
        A view of the image, and its left and top in the image, pixels.
    """
    x1, y1, x2, y2 = box
    half = scale * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return image[top : int(y + half), left : int(x + half)], (left, top)
