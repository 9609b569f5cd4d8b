"""Predictions for media files: sampled faces, unchanged and corrupted, scored by a predictor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepfake_serving.training.data.face_regions import FaceRegion, face_regions
from deepfake_serving.training.data.media import MediaFile
from deepfake_serving.training.predict.corruptions import Corruption
from deepfake_serving.training.predict.predictor import Predictor
from deepfake_serving.training.predict.scores import UNCORRUPTED, Score
from model_handlers.pipeline.faces import FaceDetector


@dataclass(frozen=True, slots=True)
class MediaScores:
    """Scores, and the media files (relative paths) without a detected face."""

    scores: list[Score]
    without_face: list[str]


def predict_media(
    media: Iterable[MediaFile],
    root: Path,
    predictor_for: Callable[[MediaFile], Predictor],
    face_detector: FaceDetector,
    count: int = 8,
    corruptions: Sequence[Corruption] = (),
    cache: Path | None = None,
) -> MediaScores:
    """Scores the largest face of up to `count` frames of each file, unchanged and corrupted.

    Args:
        root: the folder of media; scores name paths relative to it.
        predictor_for: the predictor of a file: always the same, or the one of its fold.
        cache: folder of detected faces.
    """
    scores: list[Score] = []
    without_face = []
    for file in media:
        regions = face_regions(file, count, face_detector, cache)
        if not regions:
            without_face.append(file.path.relative_to(root).as_posix())
            continue
        predictor = predictor_for(file)
        scores += predict_regions(file, root, regions, predictor, UNCORRUPTED)
        for corruption in corruptions:
            corrupted = [corruption(region) for region in regions]
            scores += predict_regions(file, root, corrupted, predictor, corruption.variant)
    return MediaScores(scores, without_face)


def predict_regions(
    file: MediaFile, root: Path, regions: Sequence[FaceRegion], predictor: Predictor, variant: str
) -> list[Score]:
    """Returns one score for each region."""
    path = file.path.relative_to(root).as_posix()
    return [
        Score(
            path,
            file.fake,
            file.manipulation,
            file.identity,
            region.frame,
            region.face_px,
            variant,
            float(logit),
            float(probability),
            float(detail),
        )
        for region, logit, probability, detail in zip(regions, *predictor(regions), strict=True)
    ]
