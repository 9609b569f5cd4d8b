"""The faces that were judged worst, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.training.evaluate.breakdown import AS_IS
from deepfake_serving.training.material import Medium, face_regions
from deepfake_serving.training.scores import Score
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceFinder


@dataclass(frozen=True, slots=True)
class Mistake:
    """A judged face with its crop, as the network saw it."""

    score: Score
    crop: Pixels


def worst(scores: Iterable[Score], fake: bool, count: int = 8) -> list[Score]:
    """The highest-scored reals, or the lowest-scored fakes: one face a medium, worst first."""
    mine = [
        score
        for score in scores
        if score.variant == AS_IS and score.fake is fake and not np.isnan(score.probability)
    ]
    ranked = sorted(mine, key=lambda s: (s.probability if fake else -s.probability, s.path))
    first: dict[str, Score] = {}
    for score in ranked:
        first.setdefault(score.path, score)
    return list(first.values())[:count]


def cut(
    scores: Sequence[Score],
    media: Iterable[Medium],
    root: Path,
    finder: FaceFinder,
    spec: CropSpec,
    count: int = 8,
    cache: Path | None = None,
) -> list[Mistake]:
    """The crops of `scores`; `count`, `finder` and `cache` as they were when these were judged."""
    by_path = {medium.path.relative_to(root).as_posix(): medium for medium in media}
    out = []
    for score in scores:
        regions = face_regions(by_path[score.path], count, finder, cache)
        region = next(r for r in regions if _same(score, r.frame, r.face_px))
        out.append(Mistake(score, crop_face(region.pixels, region.box, spec)))
    return out


def _same(score: Score, frame: int, face_px: float) -> bool:
    return score.frame == frame and bool(np.isclose(score.face_px, face_px))


def as_jpeg(crop: Pixels) -> bytes:
    """JPEG bytes of a crop, small enough for a page."""
    _, data = cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return data.tobytes()
