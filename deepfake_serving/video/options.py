"""Options of a video's analysis, and the limits that it is analysed within."""

from __future__ import annotations

from dataclasses import dataclass

from deepfake_serving.contracts.models import USUAL_THRESHOLDS, Thresholds
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.video.decoding.limits import DecodeLimits
from deepfake_serving.video.sampling import DEFAULT_SAMPLING, Sampling


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """Options of one video's analysis."""

    sampling: Sampling = DEFAULT_SAMPLING
    aggregation: Aggregation = "shots"
    thresholds: Thresholds = USUAL_THRESHOLDS

    shots: bool = True
    """Whether the video is split into shots. Otherwise it is a single shot. Tracks end at cuts."""
    min_shot_s: float = 1.5
    """Shorter shots are merged with an adjacent shot. Their tracks end at the cut all the same."""
    max_frames_per_shot: int = 64
    """Applies to every sampling policy. `per_shot:N` lowers it."""

    min_confidence: float = 0.9
    """Detection confidence below which a face is ignored."""
    min_face_px: float = 40
    """Longer side of the box, in pixels, below which a face is ignored."""
    max_faces: int = 16
    """Faces of a frame that count, the largest first."""

    part_s: float | None = 300.0
    """Seconds of the parts that a long video is analysed in; None: it is one part."""

    max_duration_s: float = 4 * 3600
    """Seconds of presentation, after which the analysis of a longer video ends."""
    max_frames: int = 20_000
    """Scored frames, after which the analysis ends."""
    max_decoded: int = 2_000_000
    """Decoded frames, after which it ends: a little more than four hours at 120 per second."""
    max_pixels: int = 8192 * 4320
    """Pixels of a frame."""

    max_memory_bytes: int = 1536 * 2**20
    """Bytes that decoding may take. A video whose headers need more is refused at once."""
    isolated: bool = False
    """Whether the video is decoded in a process of its own, where that limit is enforced."""

    explain: bool = False
    """Whether the keyframe of each track gets a heatmap, for which `detect` has to return them."""

    max_in_flight: int = 2
    """Concurrent calls to the detector."""

    @property
    def decode_limits(self) -> DecodeLimits:
        """The limits of the decoder."""
        return DecodeLimits(
            self.max_pixels, self.max_duration_s, self.max_decoded, self.max_memory_bytes
        )

    @property
    def per_shot(self) -> int:
        """The most frames of a shot in the result."""
        if self.sampling.policy == "per_shot":
            return min(int(self.sampling.value), self.max_frames_per_shot)
        return self.max_frames_per_shot
