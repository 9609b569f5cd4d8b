"""A shot's judged frames → its tracks, its verdict and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepfake_serving.contracts.verdict import Label
from deepfake_serving.contracts.video import Shot, Track, TrackFrame
from deepfake_serving.video.aggregate import mean
from deepfake_serving.video.collect import ScoredFrame, ShotFrames
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery import strip
from deepfake_serving.video.options import Thresholds
from deepfake_serving.video.tracks import Boxes, Place, link, without_rare


@dataclass(frozen=True, slots=True)
class ShotResult:
    """A shot, its pictures by name, its frames, and how many tracks were too rare to count."""

    shot: Shot
    pictures: dict[str, bytes]
    frames: int
    rare: int


def build_shot(number: int, take: ShotFrames, thresholds: Thresholds) -> ShotResult:
    """`number` counts shots from 1; the take has at least one frame."""
    linked = link([seen.t_s for seen in take.seen], [_boxes(seen) for seen in take.seen])
    kept = without_rare(linked, len(take.seen))
    pictures: dict[str, bytes] = {}
    tracks = [
        _track(f"{number}-{place}", places, take.seen, thresholds, pictures)
        for place, places in enumerate(kept, start=1)
    ]
    name = f"shot-{number}.jpg"
    pictures[name] = strip(_scored(take.seen, kept, thresholds))
    highest = max((track.fake_probability for track in tracks), default=None)
    shot = Shot(
        start_s=round(take.start_s, 3),
        end_s=round(take.end_s, 3),
        verdict=thresholds.label(highest),
        fake_probability=highest,
        tracks=tracks,
        strip=name,
    )
    return ShotResult(shot, pictures, len(take.seen), len(linked) - len(kept))


def _track(
    name: str,
    places: Sequence[Place],
    seen: Sequence[ScoredFrame],
    thresholds: Thresholds,
    pictures: dict[str, bytes],
) -> Track:
    """Puts the track's pictures among the others'."""
    faces = [seen[frame].faces[face] for frame, face in places]
    ranked = sorted(faces, key=lambda face: face.fake_probability)
    keyframe, median = f"track-{name}-high.jpg", f"track-{name}-median.jpg"
    pictures[keyframe] = ranked[-1].picture
    pictures[median] = ranked[(len(ranked) - 1) // 2].picture
    opinion = mean([face.fake_probability for face in faces])
    assert opinion.probability is not None
    assert opinion.spread is not None
    return Track(
        id=name,
        verdict=thresholds.label(opinion.probability),
        fake_probability=opinion.probability,
        spread=opinion.spread,
        frames=[
            TrackFrame(round(seen[frame].t_s, 3), face.box, face.fake_probability)
            for (frame, _), face in zip(places, faces, strict=True)
        ],
        keyframe=keyframe,
        median_frame=median,
    )


def _scored(
    seen: Sequence[ScoredFrame], tracks: Sequence[Sequence[Place]], thresholds: Thresholds
) -> list[tuple[Pixels, Label]]:
    """Each frame with the word of its highest face that counts."""
    highest: dict[int, float] = {}
    for frame, face in (place for track in tracks for place in track):
        probability = seen[frame].faces[face].fake_probability
        highest[frame] = max(highest.get(frame, 0.0), probability)
    return [(each.small, thresholds.label(highest.get(i))) for i, each in enumerate(seen)]


def _boxes(seen: ScoredFrame) -> Boxes:
    return np.array([face.box for face in seen.faces], np.float64).reshape(-1, 4)
