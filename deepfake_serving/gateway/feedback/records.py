"""The stored records of analysed images and of feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepfake_serving.contracts.verdict import Label

Truth = Literal["real", "fake"]
"""The label that a person gives."""


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A face of an analysed image; `box` is in pixels of the upright image."""

    box: list[float]
    fake_probability: float
    verdict: Label


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image response that feedback may name. `object` is the key of the image, if it is kept."""

    id: str
    owner: str | None
    created_at: float
    digest: str
    verdict: Label
    fake_probability: float | None
    faces: list[FaceRecord]
    model: str
    model_digest: str | None
    object: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """A label for an image, a job, or one face of it.

    Attributes:
        id: The id of the image response or of the job.
        owner: The API key that sent the image or the job.
        key: The API key that gave the feedback.
        face: The position of the face in the image's `faces`.
        track: The id of the face in the video.
        faces: The number of faces of the image.
        digest: `sha256:…` of the image or video, where it is known.
        verdict: What the service said of the face, or of the whole.
        object: The key of the stored image or video, or of the track's keyframe.
    """

    id: str
    kind: Literal["image", "job"]
    label: Truth
    created_at: float
    owner: str | None = None
    key: str | None = None
    note: str | None = None
    face: int | None = None
    track: str | None = None
    faces: int = 0
    box: list[float] | None = None
    name: str | None = None
    digest: str | None = None
    verdict: Label | None = None
    fake_probability: float | None = None
    model: str | None = None
    model_digest: str | None = None
    object: str | None = None
