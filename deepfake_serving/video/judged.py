"""Sampled frames and the detector's answers → what is kept of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.video.collect import Face, ScoredFrame
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery import face_picture
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reading import Sample

Answer = dict[str, Any] | Problem
"""An `ImageVerdict` as JSON, or why there is none."""


def judged(
    samples: Sequence[Sample], answers: Sequence[Answer], width: int, options: VideoOptions
) -> list[ScoredFrame | None]:
    """The faces that count in each frame, with pictures; None for one that was not judged.

    Args:
        width: of the video; boxes are scaled to it, as frames may have been sent smaller.
    """
    return [
        None if isinstance(answer, Problem) else _seen(sample, answer["faces"], width, options)
        for sample, answer in zip(samples, answers, strict=True)
    ]


def _seen(
    sample: Sample, faces: list[dict[str, Any]], width: int, options: VideoOptions
) -> ScoredFrame:
    scale = width / sample.pixels.shape[1]
    counting = _that_count(faces, options.min_face_px / scale, options)
    return ScoredFrame(
        sample.t_s, sample.small, [_face(face, sample.pixels, scale) for face in counting]
    )


def _that_count(
    faces: list[dict[str, Any]], min_px: float, options: VideoOptions
) -> list[dict[str, Any]]:
    """The largest faces that the detector is sure of."""
    counting = [
        face
        for face in faces
        if face["detection_confidence"] >= options.min_confidence
        and _longer_side(face["box"]) >= min_px
    ]
    return sorted(counting, key=lambda face: -_longer_side(face["box"]))[: options.max_faces]


def _face(face: dict[str, Any], pixels: Pixels, scale: float) -> Face:
    box = [round(edge * scale, 1) for edge in face["box"]]
    return Face(box, face["fake_probability"], face_picture(pixels, face["box"]))


def _longer_side(box: Sequence[float]) -> float:
    return max(box[2] - box[0], box[3] - box[1])
