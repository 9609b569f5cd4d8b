"""Settings of the analysis of videos."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.setting_types import SamplingText
from deepfake_serving.runtime.settings import ServerSettings


class VideoSettings(ServerSettings):
    """Defaults and limits of video jobs, and the model that finds the same people."""

    video_sampling: SamplingText = Field(
        "every:5",
        description="Default sampling of frames: `every:5`, `uniform:30`, `fps:2`, `per_shot:64`.",
    )
    video_aggregation: Aggregation = Field(
        "shots", description="Default aggregation of faces to one probability."
    )
    video_part_s: float = Field(
        300.0,
        ge=0,
        description="Seconds of the parts of a long video, which idle workers share "
        "(docs/jobs.md#parts-of-long-videos); 0: a video is one part.",
    )
    max_video_s: float = Field(4 * 3600, gt=0, description="Maximum seconds analysed of one video.")
    max_video_frames: int = Field(20_000, ge=1, description="Maximum frames analysed of one video.")
    max_decode_memory_bytes: int = Field(
        1536 * 2**20,
        ge=64 * 2**20,
        description="Maximum memory of the process that decodes one video; a video that needs more "
        "is refused. A worker needs it for each of `worker_jobs` and `worker_sources`.",
    )
    person_model: Path | None = Field(
        None,
        description="Manifest of a model that embeds faces, by which the worker finds the same "
        "people in a video (docs/models/people.md); unset: no face is embedded.",
    )
