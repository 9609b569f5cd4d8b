"""Builds a shot from its scored frames: face tracks, verdict and gallery images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.verdict import Label, ModelScore
from deepfake_serving.contracts.video import Shot, Track, TrackFrame
from deepfake_serving.video.aggregate import mean
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery.heatmaps import draw_keyframe
from deepfake_serving.video.gallery.images import film_strip
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.people.grouping import TrackIdentity, identify
from deepfake_serving.video.shot_collector import ScoredFrame, ShotFrames
from deepfake_serving.video.tracks import Boxes, FaceIndex, link, without_rare

_CERTAIN = 0.99
"""Detection confidence from which a face in a single frame is a track."""


@dataclass(frozen=True, slots=True)
class ShotResult:
    """A shot, its JPEG images by name, its frame count, and the tracks dropped as too rare."""

    shot: Shot
    images: dict[str, bytes]
    frames: int
    rare_tracks: int
    identities: list[TrackIdentity]
    """The identity of each track; none without a model that embeds faces."""


def build_shot(
    number: int,
    shot_frames: ShotFrames,
    thresholds: Thresholds,
    embedder: FaceEmbedder | None = None,
) -> ShotResult:
    """Builds a shot.

    Args:
        number: Counts the shots of a video from 1.
        shot_frames: At least one frame.
        embedder: embeds faces to find the same people.
    """
    frames = shot_frames.frames
    linked, kept = _tracks(shot_frames.segments)
    images: dict[str, bytes] = {}
    tracks = [
        _build_track(f"{number}-{n}", indexes, frames, thresholds, images)
        for n, indexes in enumerate(kept, start=1)
    ]
    strip = f"shot-{number}.jpg"
    images[strip] = film_strip(_labelled(frames, kept, thresholds))
    highest = max((track.fake_probability for track in tracks), default=None)
    shot = Shot(
        start_s=round(shot_frames.start_s, 3),
        end_s=round(shot_frames.end_s, 3),
        verdict=thresholds.label(highest),
        fake_probability=highest,
        tracks=tracks,
        strip=strip,
    )
    identities = [] if embedder is None else _identities(tracks, kept, frames, embedder)
    return ShotResult(shot, images, len(frames), linked - len(kept), identities)


def _identities(
    tracks: Sequence[Track],
    kept: Sequence[Sequence[FaceIndex]],
    frames: Sequence[ScoredFrame],
    embedder: FaceEmbedder,
) -> list[TrackIdentity]:
    return [
        identify(track, [frames[frame].faces[face].crop for frame, face in indexes], embedder)
        for track, indexes in zip(tracks, kept, strict=True)
    ]


def _tracks(segments: Sequence[Sequence[ScoredFrame]]) -> tuple[int, list[list[FaceIndex]]]:
    """Links the faces of each segment; returns the number of tracks, and those that are kept.

    Indexes are those of the whole shot's frames.
    """
    count, start = 0, 0
    kept: list[list[FaceIndex]] = []
    for frames in segments:
        linked = link([frame.t_s for frame in frames], [_boxes(frame) for frame in frames])
        count += len(linked)
        common = without_rare(linked, len(frames), partial(_is_weak, frames))
        kept += [[(start + frame, face) for frame, face in track] for track in common]
        start += len(frames)
    return count, kept


def _is_weak(frames: Sequence[ScoredFrame], index: FaceIndex) -> bool:
    frame, face = index
    return frames[frame].faces[face].detection_confidence < _CERTAIN


def _build_track(
    track_id: str,
    indexes: Sequence[FaceIndex],
    frames: Sequence[ScoredFrame],
    thresholds: Thresholds,
    images: dict[str, bytes],
) -> Track:
    """Builds a track, and adds its crops to `images`."""
    faces = [frames[frame].faces[face] for frame, face in indexes]
    ranked = sorted(faces, key=lambda face: face.fake_probability)
    keyframe, median = f"track-{track_id}-high.jpg", f"track-{track_id}-median.jpg"
    images[keyframe] = ranked[-1].crop
    images[median] = ranked[(len(ranked) - 1) // 2].crop
    stats = mean([face.fake_probability for face in faces])
    assert stats.probability is not None
    assert stats.spread is not None
    return Track(
        id=track_id,
        verdict=thresholds.label(stats.probability),
        fake_probability=stats.probability,
        spread=stats.spread,
        frames=[
            TrackFrame(round(frames[frame].t_s, 3), face.box, face.fake_probability)
            for (frame, _), face in zip(indexes, faces, strict=True)
        ],
        keyframe=keyframe,
        median_frame=median,
        models=_model_scores([face.models for face in faces]),
        heatmaps=draw_keyframe(track_id, ranked[-1].heatmaps, images),
    )


def _model_scores(faces: Sequence[Mapping[str, ModelScore]]) -> dict[str, ModelScore]:
    """Returns the mean of each model over the faces that it scored, else the last reason.

    Args:
        faces: the scores of each face by model.
    """
    names = dict.fromkeys(name for scores in faces for name in scores)
    return {
        name: _mean_score([scores[name] for scores in faces if name in scores]) for name in names
    }


def _mean_score(scores: Sequence[ModelScore]) -> ModelScore:
    values = [score["fake_probability"] for score in scores if "fake_probability" in score]
    if values:
        return {"fake_probability": round(sum(values) / len(values), 6)}
    return scores[-1]


def _labelled(
    frames: Sequence[ScoredFrame],
    tracks: Sequence[Sequence[FaceIndex]],
    thresholds: Thresholds,
) -> list[tuple[Pixels, Label]]:
    """Labels each frame by its highest face in a track."""
    highest: dict[int, float] = {}
    for frame, face in (index for track in tracks for index in track):
        probability = frames[frame].faces[face].fake_probability
        highest[frame] = max(highest.get(frame, 0.0), probability)
    return [(f.thumbnail, thresholds.label(highest.get(i))) for i, f in enumerate(frames)]


def _boxes(frame: ScoredFrame) -> Boxes:
    return np.array([face.box for face in frame.faces], np.float64).reshape(-1, 4)
