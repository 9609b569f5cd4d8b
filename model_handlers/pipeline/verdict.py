"""Probabilities to words: the verdict of a face, and that of a picture."""

from __future__ import annotations

from collections.abc import Sequence

from deepfake_serving.contracts.verdict import FaceVerdict, Label
from model_handlers.manifest import ThresholdsSpec


def word(probability: float, spec: ThresholdsSpec) -> Label:
    """real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake."""
    if probability < spec.suspicious_from:
        return "real"
    return "fake" if probability > spec.fake_above else "suspicious"


def image_verdict(faces: Sequence[FaceVerdict], spec: ThresholdsSpec) -> tuple[Label, float | None]:
    """A picture is as suspicious as its worst face; without a face there is no guess."""
    if not faces:
        return "no_face", None
    worst = max(face.fake_probability for face in faces)
    return word(worst, spec), worst
