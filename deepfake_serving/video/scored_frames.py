"""Combines sampled frames with the detector's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery.heatmaps import heatmaps_of
from deepfake_serving.video.gallery.images import face_crop
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import Sample
from deepfake_serving.video.shot_collector import ScoredFace, ScoredFrame

DetectionResult = dict[str, Any] | Problem
"""An `ImageVerdict` as JSON, or the problem at its position."""


def scored_frames(
    samples: Sequence[Sample],
    results: Sequence[DetectionResult],
    options: VideoOptions,
) -> list[ScoredFrame | None]:
    """Returns the faces that count in each frame, with crops; None for a frame with a problem.

    Boxes are scaled to the frame as shown, since the detector may have received a smaller copy.
    """
    return [
        None if isinstance(result, Problem) else _scored_frame(sample, result, options)
        for sample, result in zip(samples, results, strict=True)
    ]


def _scored_frame(sample: Sample, verdict: dict[str, Any], options: VideoOptions) -> ScoredFrame:
    scale = sample.width / sample.pixels.shape[1]
    counted = _counted(verdict["faces"], options.min_face_px / scale, options)
    kept = counted[: options.max_faces]
    model = verdict["model"]["name"]
    scored = [_scored_face(face, model, sample.pixels, scale) for face in kept]
    left_out = len(counted) - len(kept)
    return ScoredFrame(sample.index, sample.t_s, sample.thumbnail, scored, left_out)


def _counted(
    faces: list[dict[str, Any]], min_px: float, options: VideoOptions
) -> list[dict[str, Any]]:
    """Selects the faces with enough detection confidence, largest first."""
    counted = [
        face
        for face in faces
        if face["detection_confidence"] >= options.min_confidence
        and _longer_side(face["box"]) >= min_px
    ]
    return sorted(counted, key=lambda face: -_longer_side(face["box"]))


def _scored_face(face: dict[str, Any], model: str, pixels: Pixels, scale: float) -> ScoredFace:
    box = [round(edge * scale, 1) for edge in face["box"]]
    crop = face_crop(pixels, face["box"])
    confidence, models = face["detection_confidence"], face.get("models", {})
    scores: dict[str, Any] = {m: score for m, score in models.items() if isinstance(score, dict)}
    heatmaps = heatmaps_of(face, model)
    return ScoredFace(box, face["fake_probability"], confidence, crop, scores, heatmaps)


def _longer_side(box: Sequence[float]) -> float:
    return max(box[2] - box[0], box[3] - box[1])
