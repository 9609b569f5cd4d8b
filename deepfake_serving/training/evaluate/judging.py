"""Media → faces → variants → a judge → scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepfake_serving.training.evaluate.breakdown import AS_IS
from deepfake_serving.training.evaluate.disturb import Disturbance
from deepfake_serving.training.judge import Judge
from deepfake_serving.training.material import FaceRegion, Medium, face_regions
from deepfake_serving.training.scores import Score
from model_handlers.pipeline.faces import FaceFinder


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores, and the media (relative paths) in which the face finder saw no face to judge."""

    scores: list[Score]
    faceless: list[str]


def judge_media(
    media: Iterable[Medium],
    root: Path,
    judge_of: Callable[[Medium], Judge],
    finder: FaceFinder,
    count: int = 8,
    variants: Sequence[Disturbance] = (),
    cache: Path | None = None,
) -> Answers:
    """Judges the largest face of up to `count` frames of each medium, untouched and disturbed.

    Args:
        root: the folder of media; scores name paths relative to it.
        judge_of: who judges a medium: always the same, or whoever wasn't trained on its person.
        variants: what else to judge besides `as is`.
        cache: where found faces are kept.
    """
    scores: list[Score] = []
    faceless = []
    for medium in media:
        regions = face_regions(medium, count, finder, cache)
        if not regions:
            faceless.append(medium.path.relative_to(root).as_posix())
            continue
        judge = judge_of(medium)
        scores += judge_regions(medium, root, regions, judge, AS_IS)
        for disturbance in variants:
            disturbed = [disturbance(region) for region in regions]
            scores += judge_regions(medium, root, disturbed, judge, disturbance.variant)
    return Answers(scores, faceless)


def judge_regions(
    medium: Medium, root: Path, regions: Sequence[FaceRegion], judge: Judge, variant: str
) -> list[Score]:
    """One score a face."""
    path = medium.path.relative_to(root).as_posix()
    judged = judge(regions)
    return [
        Score(
            path,
            medium.fake,
            medium.manipulation,
            medium.identity,
            region.frame,
            region.face_px,
            variant,
            float(logit),
            float(probability),
            float(detail),
        )
        for region, logit, probability, detail in zip(regions, *judged, strict=True)
    ]
