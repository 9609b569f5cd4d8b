"""Accumulates the results of a video, and aggregates them to its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepfake_serving.contracts.problems import Problem, UndecodableMedia
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot, VideoVerdict
from deepfake_serving.video.aggregate import aggregate, fake_frame_ratio, highest_faces
from deepfake_serving.video.build_shot import ShotResult
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.renumbering import renumbered, renumbered_shot
from deepfake_serving.video.people.grouping import MAX_TRACKS, TrackIdentity, with_people
from deepfake_serving.video.reader import VideoFacts
from deepfake_serving.video.scored_frames import DetectionResult

LEFT_OUT = "was left out of"
"""A part of the warning of a member that did not score all frames."""


@dataclass(slots=True)
class VideoAccumulator:
    """Counts, and the finished shots.

    `similarity` is the least cosine of the tracks of one person; None: tracks have no person.
    """

    similarity: float | None = None
    shots: list[Shot] = field(default_factory=list)
    image_names: list[str] = field(default_factory=list)
    sampled: int = 0
    """Frames that were sent to the detector."""
    frames: int = 0
    rare_tracks: int = 0
    crowded_frames: int = 0
    """Frames with more faces than count."""
    empty_shots: int = 0
    """Shots without a sampled frame."""
    failed_frames: int = 0
    last_problem: Problem | None = None
    """The problem of the last failed frame."""
    model: ModelRef | None = None
    identities: list[TrackIdentity] = field(default_factory=list)
    """The identities of all tracks."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Frames without a member of the ensemble, by its name and the reason."""
    without_heatmaps: dict[str, None] = field(default_factory=dict)
    """Warnings that a network has no heatmaps, in their order."""

    def add_results(self, results: Sequence[DetectionResult]) -> None:
        """Counts the detector's results and problems, and notes the model."""
        self.sampled += len(results)
        for result in results:
            if isinstance(result, Problem):
                self.failed_frames, self.last_problem = self.failed_frames + 1, result
                continue
            self.left_out.update(_left_out(result["faces"]))
            own = [w for w in result.get("warnings", []) if w.startswith("no heatmaps")]
            self.without_heatmaps.update(dict.fromkeys(own))
            if self.model is None:
                self.model = ModelRef(**result["model"])

    def add_shot(self, result: ShotResult) -> None:
        """Adds a finished shot."""
        self.shots.append(result.shot)
        self.image_names += result.images
        self.frames += result.frames
        self.rare_tracks += result.rare_tracks
        self.identities += result.identities

    def append(self, later: VideoAccumulator) -> None:
        """Adds the results of the next part, whose shots were counted from 1."""
        before = len(self.shots)
        self.shots += [renumbered_shot(shot, before) for shot in later.shots]
        self.image_names += [renumbered(name, before) for name in later.image_names]
        self.identities += later.identities
        for name in ("sampled", "frames", "rare_tracks", "crowded_frames", "empty_shots"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.failed_frames += later.failed_frames
        self.last_problem = later.last_problem or self.last_problem
        self.model = self.model or later.model
        self.left_out.update(later.left_out)
        self.without_heatmaps.update(later.without_heatmaps)

    def verdict(
        self,
        video: VideoFacts,
        size: tuple[int, int] | None,
        seconds: Mapping[str, float],
        options: VideoOptions,
    ) -> VideoVerdict:
        """Aggregates the verdict.

        Args:
            size: Width and height of the first frame.
            seconds: Time spent by stage.

        Raises:
            Problem: no frame was scored, and why.
        """
        if self.model is None or size is None:
            raise self.last_problem or UndecodableMedia("the video has no frame to analyse")
        thresholds = options.thresholds
        if self.similarity is not None:
            self.shots = with_people(self.shots, self.identities, self.similarity)
        probability, spread = aggregate(self.shots, options.aggregation, thresholds)
        return VideoVerdict(
            verdict=thresholds.label(probability),
            fake_probability=probability,
            uncertainty=spread,
            aggregation=options.aggregation,
            shots=self.shots,
            frames_analyzed=self.frames,
            frames_with_face=len(highest_faces(self.shots)),
            fake_frame_ratio=fake_frame_ratio(self.shots, thresholds),
            duration_s=round(video.end_s, 3),
            frame_rate=video.frame_rate,
            width=size[0],
            height=size[1],
            complete=video.complete,
            model=self.model,
            warnings=[*video.warnings, *self._warnings(options, video.thinned)],
            gallery=self.image_names,
            timings_ms={stage: round(1000 * s, 1) for stage, s in seconds.items()},
        )

    def _warnings(self, options: VideoOptions, thinned: int) -> list[str]:
        warnings = []
        if thinned and options.sampling.policy != "per_shot":
            warnings.append(
                f"shots with more than {options.per_shot} sampled frames, of which an even "
                f"selection counts: {thinned}"
            )
        if self.last_problem is not None:
            reason = self.last_problem.detail
            warnings.append(f"failed frames: {self.failed_frames}; the last problem: {reason}")
        if self.crowded_frames:
            warnings.append(
                f"frames with more than {options.max_faces} faces, of which the largest were "
                f"analysed: {self.crowded_frames}"
            )
        if self.rare_tracks:
            warnings.append(f"faces seen too briefly to be scored: {self.rare_tracks}")
        if self.empty_shots:
            warnings.append(f"shots without a sampled frame, not listed: {self.empty_shots}")
        if (tracks := len(self.identities)) > MAX_TRACKS:
            warnings.append(
                f"people: only the {MAX_TRACKS} longest of {tracks} tracks were compared"
            )
        warnings += self.without_heatmaps
        for (model, reason), frames in self.left_out.items():
            warnings.append(f"{model} {LEFT_OUT} {frames} frames: {reason}")
        return warnings


def _left_out(faces: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Returns the members that did not score a frame's faces, with the reasons."""
    scores = [item for face in faces for item in face.get("models", {}).items()]
    return {(m, s["unavailable"]) for m, s in scores if isinstance(s, dict) and "unavailable" in s}
