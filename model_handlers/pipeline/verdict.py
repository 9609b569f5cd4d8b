"""Verdicts: from probabilities to labels, of a face and of an image."""

from __future__ import annotations

from collections.abc import Sequence

from deepfake_serving.contracts.combination import combined_probability
from deepfake_serving.contracts.verdict import FaceVerdict, Label
from model_handlers.manifest import ThresholdsSpec


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
