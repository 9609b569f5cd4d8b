"""Results of a video, as dataclasses that serialise to JSON field by field.

A video is split into shots, the faces of a shot are linked into tracks, and every sampled face is
scored separately. Times are seconds since the start of playback, maybe with sound alone. Boxes are
in pixels of the upright frame. Probabilities are calibrated, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from deepfake_serving.contracts.verdict import HeatmapMethod, Label, ModelRef, ModelScore

Aggregation = Literal["shots", "mean", "confident", "fake_frame_ratio"]
"""The aggregation of faces to one probability.

shots: mean over a track, highest track of a shot, highest shot (the default).
mean: mean over all scored faces.
confident: mean of the confident fakes if there are enough of them, otherwise of the confident
    reals, otherwise of all faces (as by the winner of DFDC).
fake_frame_ratio: share of frames with a face whose highest face is fake.
"""


Rename = Callable[[str | None], str | None]
"""Returns another name or a link of an image; None: there is none."""


@dataclass(frozen=True, slots=True)
class TrackFrame:
    """A face in one frame. `box` is [x1, y1, x2, y2].

    Where a face is steady, its probability may be the value between those of the two nearest
    frames that were scored.
    """

    t_s: float
    box: list[float]
    fake_probability: float


@dataclass(frozen=True, slots=True)
class KeyframeHeatmap:
    """A heatmap of a track's keyframe, as `contracts.verdict.Heatmap` defines it.

    `image` is the crop that the network got, a JPEG, and `overlay` its map, a transparent PNG of
    the same size: names in the job's gallery. Without an `overlay`, as in results of earlier
    versions, the map is in the image.
    """

    image: str | None
    grid: list[list[float]]
    offset: float
    scale: float
    overlay: str | None = None
    method: HeatmapMethod = "class_activation"

    def with_images(self, rename: Rename) -> KeyframeHeatmap:
        """Returns the heatmap with other names of its images."""
        return replace(self, image=rename(self.image), overlay=rename(self.overlay))


@dataclass(frozen=True, slots=True)
class Track:
    """One person in one shot. `spread` is the standard deviation over its frames.

    `keyframe` is the image of the face with the highest score, `median_frame` of the one with the
    median score. Both are names in the job's gallery. `models` has the mean of each model over the
    frames that it scored; in an ensemble, of each member. `heatmaps`, by model, are there on
    request. Tracks of one `person`, a number of this video, show the same face; None where the
    server has no model that embeds faces.
    """

    id: str
    verdict: Label
    fake_probability: float
    spread: float
    frames: list[TrackFrame]
    keyframe: str | None = None
    median_frame: str | None = None
    models: dict[str, ModelScore] = field(default_factory=dict)
    heatmaps: dict[str, KeyframeHeatmap] = field(default_factory=dict)
    person: int | None = None

    def with_images(self, rename: Rename) -> Track:
        """Returns the track with other names of its images."""
        return replace(
            self,
            keyframe=rename(self.keyframe),
            median_frame=rename(self.median_frame),
            heatmaps={m: each.with_images(rename) for m, each in self.heatmaps.items()},
        )


@dataclass(frozen=True, slots=True)
class Shot:
    """A part of the video without a scene cut. `strip` is the name of its film strip."""

    start_s: float
    end_s: float
    verdict: Label
    fake_probability: float | None
    tracks: list[Track]
    strip: str | None = None

    def with_images(self, rename: Rename) -> Shot:
        """Returns the shot with other names of its images."""
        tracks = [track.with_images(rename) for track in self.tracks]
        return replace(self, strip=rename(self.strip), tracks=tracks)


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """The verdict of a video. `complete` is false if it was not analysed to its end.

    `frames_analyzed` counts the frames in the result: at most 64 of a long shot, evenly spaced. A
    track in less than a fifth of the frames between two cuts is dropped as a false positive, and so
    is a single face of low detection confidence. `uncertainty` is the standard deviation over the
    faces behind the probability. `gallery` has the names of all images; a job links them.
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
