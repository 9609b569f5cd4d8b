"""Analysis options of a job."""

from __future__ import annotations

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampling


def video_options(job: Job, settings: Settings, thresholds: Thresholds) -> VideoOptions:
    """Builds the options from the job's, the model's thresholds and the limits of the settings."""
    return VideoOptions(
        sampling=Sampling.parse(job.options["sampling"]),
        aggregation=job.options["aggregation"],
        thresholds=thresholds,
        shots=job.options["shots"],
        explain=job.options.get("explain", False),  # jobs of earlier versions have none
        part_s=settings.video_part_s or None,
        max_duration_s=settings.max_video_s,
        max_frames=settings.max_video_frames,
        max_memory_bytes=settings.max_decode_memory_bytes,
        isolated=True,
    )
