"""What may be said about how a video is analysed, and the bounds that it is analysed within."""

from __future__ import annotations

from dataclasses import dataclass

from deepfake_serving.contracts.verdict import Label
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.video.sampling import EVERY_FIFTH, Sampling


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of calibrated probabilities."""

    suspicious_from: float = 0.4
    fake_above: float = 0.6

    def label(self, probability: float | None) -> Label:
        """real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake; None is no face."""
        if probability is None:
            return "no_face"
        if probability < self.suspicious_from:
            return "real"
        return "fake" if probability > self.fake_above else "suspicious"


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How one video is analysed."""

    sampling: Sampling = EVERY_FIFTH
    aggregation: Aggregation = "shots"
    thresholds: Thresholds = Thresholds()

    shots: bool = True
    """Whether the video is cut into its shots; else it is one."""
    shortest_shot_s: float = 1.5
    """Shorter shots are joined to a neighbour."""
    frames_per_shot: int = 64
    """Whatever the sampling; `per_shot:N` asks for less."""

    min_confidence: float = 0.9
    min_face_px: float = 40
    """The detector's surety and the longer side below which a face doesn't count."""
    max_faces: int = 16
    """Most faces of a frame that count, the largest first."""

    max_duration_s: float = 4 * 3600
    max_frames: int = 20_000
    """Where the analysis of a longer video ends: seconds shown, and frames judged."""
    max_decoded: int = 2_000_000
    """Most frames decoded, judged or not: four hours of 120 a second, and a little."""
    max_pixels: int = 8192 * 4320
    """Of a frame."""

    in_flight: int = 2
    """Calls of the detector at once."""

    @property
    def per_shot(self) -> int:
        """Most frames of a shot in the result."""
        sampling = self.sampling
        asked = int(sampling.value) if sampling.policy == "per_shot" else self.frames_per_shot
        return min(asked, self.frames_per_shot)
