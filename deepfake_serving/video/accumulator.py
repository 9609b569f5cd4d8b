"""What has been found so far, and the verdict over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deepfake_serving.contracts.problems import Problem, UndecodableMedia
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot, VideoVerdict
from deepfake_serving.video.aggregate import aggregate, fake_frame_ratio, highest_faces
from deepfake_serving.video.build_shot import ShotResult
from deepfake_serving.video.judged import Answer
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reading import Reader


@dataclass(slots=True)
class VideoAccumulator:
    """Counts, and the shots that are over."""

    shots: list[Shot] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    frames: int = 0
    rare: int = 0
    unseen: int = 0
    """Shots without a sampled frame."""
    unjudged: int = 0
    problem: Problem | None = None
    """Of the last frame that was not judged."""
    model: ModelRef | None = None

    def answered(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if isinstance(answer, Problem):
                self.unjudged, self.problem = self.unjudged + 1, answer
            elif self.model is None:
                self.model = ModelRef(**answer["model"])

    def concluded(self, done: ShotResult) -> None:
        self.shots.append(done.shot)
        self.names += done.pictures
        self.frames += done.frames
        self.rare += done.rare

    def verdict(self, reader: Reader, options: VideoOptions) -> VideoVerdict:
        """
        Raises:
            Problem: no frame was judged, and why.
        """
        if self.model is None or reader.size is None:
            raise self.problem or UndecodableMedia("the video has no frame that can be judged")
        video, thresholds = reader.video, options.thresholds
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
            frame_rate=video.rate,
            width=reader.size[0],
            height=reader.size[1],
            complete=video.complete,
            model=self.model,
            warnings=[*video.warnings, *self._warnings()],
            gallery=self.names,
            timings_ms={stage: round(1000 * s, 1) for stage, s in reader.seconds.items()},
        )

    def _warnings(self) -> list[str]:
        found = []
        if self.problem is not None:
            why = self.problem.detail
            found.append(f"{self.unjudged} frames were not judged, the last one because: {why}")
        if self.rare:
            found.append(f"{self.rare} tracks of faces were too rare in their shots to count")
        if self.unseen:
            found.append(f"{self.unseen} shots have no sampled frame and are not listed")
        return found
