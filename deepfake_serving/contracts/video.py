"""What is answered about a video: dataclasses that are written as JSON field by field.

A video is cut into shots, the faces of a shot are linked into tracks, and every sampled face is
judged alone. Times are seconds of the presentation, from the video's first frame; boxes are in
pixels of the upright frame. Probabilities are calibrated and lie in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from deepfake_serving.contracts.verdict import Label, ModelRef

Aggregation = Literal["shots", "mean", "confident", "fake_frame_ratio"]
"""How faces become one probability.

shots: mean over a track, highest track of a shot, highest shot (the default).
mean: mean over all judged faces.
confident: the mean of the confident fakes where there are enough of them, else that of the
    confident reals, else of all (as the winner of DFDC did).
fake_frame_ratio: the share of frames with a face whose highest face is fake.
"""


@dataclass(frozen=True, slots=True)
class TrackFrame:
    """One face of one frame: `box` is [x1, y1, x2, y2]."""

    t_s: float
    box: list[float]
    fake_probability: float


@dataclass(frozen=True, slots=True)
class Track:
    """One person within one shot. `spread` is the standard deviation over its frames.

    `keyframe` is the picture of the highest face, `median_frame` of the one in the middle; both are
    names within the job's gallery.
    """

    id: str
    verdict: Label
    fake_probability: float
    spread: float
    frames: list[TrackFrame]
    keyframe: str | None = None
    median_frame: str | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """What was filmed in one go. `strip` is a row of its frames, a name within the gallery."""

    start_s: float
    end_s: float
    verdict: Label
    fake_probability: float | None
    tracks: list[Track]
    strip: str | None = None


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """One video. `complete` is false where it broke off; `warnings` say what was amiss.

    `frames_analyzed` counts the frames that the result holds: of a long shot at most 64, evenly
    spaced. A track seen in less than a fifth of its shot's is left out as a false find.

    `uncertainty` is the standard deviation over the faces that the probability was taken from.
    `gallery` holds the names of all pictures; a job links them.
    """

    verdict: Label
    fake_probability: float | None
    uncertainty: float | None
    aggregation: Aggregation
    shots: list[Shot]
    frames_analyzed: int
    frames_with_face: int
    fake_frame_ratio: float | None
    duration_s: float | None
    frame_rate: float | None
    width: int
    height: int
    complete: bool
    model: ModelRef
    warnings: list[str] = field(default_factory=list)
    gallery: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    id: str | None = None
