"""The faces with the largest errors, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.training.data.face_regions import face_regions
from deepfake_serving.training.data.media import MediaFile
from deepfake_serving.training.predict.scores import UNCORRUPTED, Score
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector


@dataclass(frozen=True, slots=True)
class HardExample:
    """A score and the crop that the network saw."""

    score: Score
    crop: Pixels


def hardest(scores: Iterable[Score], fake: bool, count: int = 8) -> list[Score]:
    """Returns the highest-scored reals or lowest-scored fakes, one a media file, hardest first."""
    candidates = [
        score
        for score in scores
        if score.variant == UNCORRUPTED and score.fake is fake and not np.isnan(score.probability)
    ]
    candidates.sort(key=lambda s: (s.probability if fake else -s.probability, s.path))
    first: dict[str, Score] = {}
    for score in candidates:
        first.setdefault(score.path, score)
    return list(first.values())[:count]


def crop_examples(
    scores: Sequence[Score],
    media: Iterable[MediaFile],
    root: Path,
    face_detector: FaceDetector,
    spec: CropSpec,
    count: int = 8,
    cache: Path | None = None,
) -> list[HardExample]:
    """Adds the crops to `scores`; the other arguments must be those of the prediction."""
    by_path = {file.path.relative_to(root).as_posix(): file for file in media}
    examples = []
    for score in scores:
        regions = face_regions(by_path[score.path], count, face_detector, cache)
        region = next(r for r in regions if _matches(score, r.frame, r.face_px))
        examples.append(HardExample(score, crop_face(region.pixels, region.box, spec)))
    return examples


def _matches(score: Score, frame: int, face_px: float) -> bool:
    return score.frame == frame and bool(np.isclose(score.face_px, face_px))


def encode_jpeg(crop: Pixels) -> bytes:
    """Encodes a crop as JPEG, small enough for an HTML page."""
    _, data = cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return data.tobytes()
