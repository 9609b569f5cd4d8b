"""Real swaps to train on: a face before and after, from media that show both.

Blends teach what every swap has in common; they are made of portraits, though. Some real swaps and
real video frames beside them bring the network closer to what it will judge. Whoever is trained on
can't be judged fairly any more: see `deepfake_serving.training.folds`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.training.data.faces import Portrait, Swap
from deepfake_serving.training.material import Medium, frames, frames_at
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceFinder

_VERSION = 1
_REGION = 2.2


def read_swaps(media: Sequence[Medium], finder: FaceFinder, count: int, folder: Path) -> list[Swap]:
    """Pairs of regions from each identity that has one real and one fake medium of equal size.

    Args:
        count: frames of a video.
        folder: where the regions are kept, so that they are found once.

    Raises:
        ValueError: no identity has both.
    """
    fakes = {medium.identity: medium for medium in media if medium.fake}
    pairs = [(m, fakes[m.identity]) for m in media if not m.fake and m.identity in fakes]
    swaps = [s for real, fake in pairs for s in _swaps(real, fake, finder, count, folder)]
    if not swaps:
        raise ValueError("no person has a real and a fake medium in which a face is found")
    return swaps


def _swaps(
    real: Medium, fake: Medium, finder: FaceFinder, count: int, folder: Path
) -> Iterator[Swap]:
    stat = [(m.path, m.path.stat().st_size, m.path.stat().st_mtime_ns) for m in (real, fake)]
    key = hashlib.sha256(repr([_VERSION, stat, count, finder.spec]).encode()).hexdigest()[:24]
    kept = folder / f"{key}.npz"
    if not kept.exists():
        _cut(real, fake, finder, count, kept)
    with np.load(kept, allow_pickle=False) as archive:
        rows = zip(archive["numbers"], archive["boxes"].tolist(), archive["points"], strict=True)
        for number, box, points in rows:
            before, after = _files(kept, int(number))
            x1, y1, x2, y2 = box
            yield Swap(Portrait(before, "frames", real.identity, (x1, y1, x2, y2), points), after)


def _cut(real: Medium, fake: Medium, finder: FaceFinder, count: int, kept: Path) -> None:
    """Writes both regions of every frame, then the boxes and landmarks of all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    before = dict(frames(real, count))
    found = []
    for number, after in frames_at(fake, before.keys()):
        image = before[number]
        faces = finder.find([image])[0] if image.shape == after.shape else []
        if not faces:
            continue
        face = max(faces, key=lambda f: f.area)
        x1, y1, x2, y2 = face.box
        half = _REGION * max(x2 - x1, y2 - y1) / 2
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        left, top = max(0, int(x - half)), max(0, int(y - half))
        area = np.s_[top : int(y + half), left : int(x + half)]
        for file, pixels in zip(_files(kept, number), (image, after), strict=True):
            _write(file, pixels[area])
        shift = np.array([left, top], np.float32)
        points = np.array(face.landmarks, np.float32) - shift
        found.append((number, (x1 - left, y1 - top, x2 - left, y2 - top), points))
    np.savez(
        kept,
        numbers=np.array([number for number, _, _ in found], np.int64),
        boxes=np.array([box for _, box, _ in found], np.float64).reshape(-1, 4),
        points=np.array([points for _, _, points in found], np.float32).reshape(-1, 5, 2),
    )


def _files(kept: Path, number: int) -> tuple[Path, Path]:
    return kept.with_name(f"{kept.stem}-{number}-real.png"), kept.with_name(
        f"{kept.stem}-{number}-fake.png"
    )


def _write(path: Path, pixels: Pixels) -> None:
    if not cv2.imwrite(str(path), pixels[:, :, ::-1]):
        raise OSError(f"{path}: could not be written")
