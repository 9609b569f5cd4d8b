"""The result of a part of a video as JSON, from which its job's worker rebuilds it exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepfake_serving.contracts.problems import from_dict
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot
from deepfake_serving.runtime.serialization import from_json, to_json
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.isolation.messages import VideoSummary
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.result import PartResult
from deepfake_serving.video.people.grouping import TrackIdentity
from deepfake_serving.video.scene_cuts import SceneCut

_COUNTS = ("sampled", "frames", "rare_tracks", "crowded_frames", "empty_shots", "failed_frames")


@dataclass(frozen=True, slots=True)
class _Document:
    part: Part
    begin: SceneCut | None
    end: SceneCut | None
    video: VideoSummary
    size: tuple[int, int] | None
    seconds: dict[str, float]
    similarity: float | None
    shots: list[Shot]
    image_names: list[str]
    counts: dict[str, int]
    last_problem: dict[str, Any] | None
    model: ModelRef | None
    identities: list[tuple[list[float], list[float]]]
    """The vector of each track, and its frames."""
    left_out: list[tuple[str, str, int]]
    without_heatmaps: list[str]


def part_to_json(result: PartResult) -> bytes:
    """Serializes the result of a part."""
    found = result.accumulator
    document = _Document(
        result.part,
        result.begin,
        result.end,
        result.video,
        result.size,
        dict(result.seconds),
        found.similarity,
        found.shots,
        found.image_names,
        {name: getattr(found, name) for name in _COUNTS},
        None if found.last_problem is None else found.last_problem.to_dict(),
        found.model,
        [(each.vector.tolist(), sorted(each.frames)) for each in found.identities],
        [(*key, count) for key, count in found.left_out.items()],
        list(found.without_heatmaps),
    )
    return to_json(document)


def part_from_json(data: bytes) -> PartResult:
    """Rebuilds the result of a part.

    Raises:
        ValueError: another version wrote it.
    """
    document = from_json(_Document, data)
    accumulator = VideoAccumulator(
        document.similarity,
        document.shots,
        document.image_names,
        last_problem=None if document.last_problem is None else from_dict(document.last_problem),
        model=document.model,
        identities=[
            TrackIdentity(np.array(vector, np.float32), frozenset(frames))
            for vector, frames in document.identities
        ],
        left_out=Counter({(name, reason): n for name, reason, n in document.left_out}),
        without_heatmaps=dict.fromkeys(document.without_heatmaps),
        **{name: document.counts[name] for name in _COUNTS},
    )
    return PartResult(
        document.part,
        document.begin,
        document.end,
        document.video,
        document.size,
        document.seconds,
        accumulator,
    )
