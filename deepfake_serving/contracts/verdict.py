"""A model's verdict on one item: dataclasses that are serialized to JSON field by field.

Boxes and landmarks are in pixels of the upright image, that is after EXIF orientation;
x grows to the right, y downwards. Probabilities are calibrated and lie in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from typing_extensions import TypedDict

from deepfake_serving.contracts.provenance import Provenance

Label = Literal["real", "suspicious", "fake", "no_face"]
"""The verdict of a face, an image, a shot or a video."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model of a verdict. `trained` is false while it has no trained weights."""

    name: str
    version: str
    digest: str | None
    trained: bool


NO_HEATMAPS = "no heatmaps: the model's network has none"
"""The warning where heatmaps were requested from a network without them."""


HeatmapMethod = Literal["class_activation", "attention_rollout"]


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A map of a face's crop, by cells, row by row.

    A class activation map shows where the score comes from: `grid` has each cell's contribution, in
    log odds before calibration, above zero if it raises the score. Their sum and `offset` are the
    network's output. In `overlay` red raises the score, blue lowers it, fully from ±`scale`.

    An attention rollout shows where a transformer looked, whatever it concluded: `grid` has each
    cell's share, `offset` that of the class token; they sum to one. In `overlay` purple is attended
    to, from nothing at the smallest share to full opacity at `scale`.

    `crop` is what the network got, a JPEG, and `overlay` a transparent PNG of the same size, both
    as data URIs.
    """

    grid: list[list[float]]
    offset: float
    scale: float
    overlay: str
    crop: str
    method: HeatmapMethod = "class_activation"


class ModelScore(TypedDict, total=False):
    """The probability that one model gives a face, or why it is left out: a problem's slug.

    `heatmap` is there on request, in an ensemble: each member has its own.
    """

    fake_probability: float
    unavailable: str
    heatmap: Heatmap


@dataclass(frozen=True, slots=True)
class FaceVerdict:
    """One face: `box` is [x1, y1, x2, y2], `landmarks` five [x, y] (eyes, nose, mouth corners).

    `models` has the model's own score; in an ensemble, that of each member.
    `heatmap` is there on request, if the model's network has one; `models` has those of an
    ensemble.
    """

    box: list[float]
    landmarks: list[list[float]]
    detection_confidence: float
    fake_probability: float
    verdict: Label
    models: dict[str, ModelScore]
    heatmap: Heatmap | None = None


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """One image; its probability combines those of its faces (`contracts.combination`).

    `faces` are row by row, each from left to right. `provenance` is there on request; it changes no
    score. So is `preview`, a copy of the upright image that every browser shows: the data URI of a
    JPEG of at most 1600 pixels a side. `warnings` are sentences on what was not
    analysed: faces beyond the limit, further frames of an animation, the end of a file that was cut
    short.
    """

    verdict: Label
    fake_probability: float | None
    faces: list[FaceVerdict]
    width: int
    height: int
    model: ModelRef
    timings_ms: dict[str, float] = field(default_factory=dict)
    id: str | None = None
    warnings: list[str] = field(default_factory=list)
    provenance: Provenance | None = None
    preview: str | None = None


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face that was detected but not classified; `crop` is a PNG data URI, on request."""

    box: list[float]
    landmarks: list[list[float]]
    detection_confidence: float
    crop: str | None = None


@dataclass(frozen=True, slots=True)
class ImageFaces:
    """The faces of one image; their order and `preview` are those of `ImageVerdict`."""

    faces: list[FoundFace]
    width: int
    height: int
    model: ModelRef
    timings_ms: dict[str, float] = field(default_factory=dict)
    id: str | None = None
    warnings: list[str] = field(default_factory=list)
    preview: str | None = None


@dataclass(frozen=True, slots=True)
class CropVerdict:
    """One face crop, classified without face detection."""

    verdict: Label
    fake_probability: float
    model: ModelRef
    timings_ms: dict[str, float] = field(default_factory=dict)
    id: str | None = None
    warnings: list[str] = field(default_factory=list)


Result = ImageVerdict | ImageFaces | CropVerdict
