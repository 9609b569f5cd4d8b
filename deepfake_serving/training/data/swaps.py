"""Real face swaps as training pairs: the same frame of an original and of its fake.

Blends are made from portraits and teach what every swap has in common. Real swaps and real video
frames bring the training data closer to what the model meets in service. People trained on can't be
evaluated fairly afterwards; see `deepfake_serving.training.engine.cross_validation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.cache import write_arrays
from deepfake_serving.training.data.face_regions import cut_region
from deepfake_serving.training.data.media import MediaFile, read_frames, sample_frames
from deepfake_serving.training.data.portraits import Portrait, Swap
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.faces import FaceDetector

_VERSION = 1
_REGION_SCALE = 2.2


def read_swaps(
    media: Sequence[MediaFile], face_detector: FaceDetector, count: int, folder: Path
) -> list[Swap]:
    """Returns the swaps of every identity that has a real and a fake file of equal size.

    Args:
        count: frames sampled from each video.
        folder: cache of the regions, so that faces are searched once.

    Raises:
        ValueError: no identity has both.
    """
    fakes = {file.identity: file for file in media if file.fake}
    pairs = [(m, fakes[m.identity]) for m in media if not m.fake and m.identity in fakes]
    swaps = [s for real, fake in pairs for s in _swaps(real, fake, face_detector, count, folder)]
    if not swaps:
        raise ValueError("no identity has a real and a fake media file with a face")
    return swaps


def _swaps(
    real: MediaFile, fake: MediaFile, face_detector: FaceDetector, count: int, folder: Path
) -> Iterator[Swap]:
    stat = [(m.path, m.path.stat().st_size, m.path.stat().st_mtime_ns) for m in (real, fake)]
    key = hashlib.sha256(repr([_VERSION, stat, count, face_detector.spec]).encode()).hexdigest()[
        :24
    ]
    index = folder / f"{key}.npz"
    if not index.exists():
        _write_regions(real, fake, face_detector, count, index)
    with np.load(index, allow_pickle=False) as archive:
        rows = zip(archive["numbers"], archive["boxes"].tolist(), archive["points"], strict=True)
        for number, box, points in rows:
            before, after = _region_files(index, int(number))
            x1, y1, x2, y2 = box
            yield Swap(Portrait(before, "frames", real.identity, (x1, y1, x2, y2), points), after)


@dataclass(frozen=True, slots=True)
class _Region:
    number: int
    box: tuple[float, float, float, float]
    points: np.ndarray[tuple[int, int], np.dtype[np.float32]]


def _write_regions(
    real: MediaFile, fake: MediaFile, face_detector: FaceDetector, count: int, index: Path
) -> None:
    """Writes both regions of every frame, then the index with all boxes and landmarks."""
    index.parent.mkdir(parents=True, exist_ok=True)
    originals = dict(sample_frames(real, count))
    regions = []
    for number, after in read_frames(fake, originals.keys()):
        before = originals[number]
        faces = face_detector.detect([before])[0] if before.shape == after.shape else []
        if faces:
            face = max(faces, key=lambda f: f.area)
            regions.append(_write_region(face, number, before, after, index))
    arrays: dict[str, npt.ArrayLike] = {
        "numbers": np.array([r.number for r in regions], np.int64),
        "boxes": np.array([r.box for r in regions], np.float64).reshape(-1, 4),
        "points": np.array([r.points for r in regions], np.float32).reshape(-1, 5, 2),
    }
    write_arrays(index, arrays)


def _write_region(face: Face, number: int, before: Pixels, after: Pixels, index: Path) -> _Region:
    for file, image in zip(_region_files(index, number), (before, after), strict=True):
        pixels, (left, top) = cut_region(image, face.box, _REGION_SCALE)
        _write_png(file, pixels)
    x1, y1, x2, y2 = face.box
    points = np.array(face.landmarks, np.float32) - np.array([left, top], np.float32)
    return _Region(number, (x1 - left, y1 - top, x2 - left, y2 - top), points)


def _region_files(index: Path, number: int) -> tuple[Path, Path]:
    real, fake = (index.with_name(f"{index.stem}-{number}-{kind}.png") for kind in ("real", "fake"))
    return real, fake


def _write_png(path: Path, pixels: Pixels) -> None:
    if not cv2.imwrite(str(path), pixels[:, :, ::-1]):
        raise OSError(f"{path}: could not be written")
