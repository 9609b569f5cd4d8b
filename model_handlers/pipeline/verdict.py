"""Verdicts: from probabilities to labels, of a face and of an image."""

from __future__ import annotations

from collections.abc import Sequence

from deepfake_serving.contracts.combination import combined_probability
from deepfake_serving.contracts.verdict import FaceVerdict, ImageVerdict, Label, ModelRef
from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.face import Face


def label(probability: float, spec: ThresholdsSpec) -> Label:
    """Returns the label: real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake."""
    if probability < spec.suspicious_from:
        return "real"
    return "fake" if probability > spec.fake_above else "suspicious"


def image_verdict(faces: Sequence[FaceVerdict], spec: ThresholdsSpec) -> tuple[Label, float | None]:
    """Returns the label and the combined probability of the faces; without one `no_face`, None."""
    if not faces:
        return "no_face", None
    probability = combined_probability([face.fake_probability for face in faces])
    return label(probability, spec), probability


def verdict_of_faces(
    scored: Sequence[tuple[Face, float]],
    size: tuple[int, int],
    model: ModelRef,
    thresholds: ThresholdsSpec,
    *,
    full_precision: bool = False,
) -> ImageVerdict:
    """Returns the verdict of an image whose faces have these probabilities.

    Args:
        size: width and height of the image, pixels.
        full_precision: whether coordinates are left as they are, instead of rounded to 0.1 pixels.
    """
    faces = [
        FaceVerdict(
            box=coordinates(face.box, full_precision),
            landmarks=[coordinates(point, full_precision) for point in face.landmarks],
            detection_confidence=round(face.confidence, 4),
            fake_probability=p,
            verdict=label(p, thresholds),
            models={model.name: {"fake_probability": p}},
        )
        for face, p in scored
    ]
    verdict, probability = image_verdict(faces, thresholds)
    return ImageVerdict(verdict, probability, faces, *size, model)


def coordinates(values: Sequence[float], full_precision: bool) -> list[float]:
    """Returns coordinates in pixels, rounded to 0.1 unless they are to be exact."""
    return list(values) if full_precision else [round(value, 1) for value in values]
