"""Groups tracks to people: connected components of tracks whose embeddings are similar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from deepfake_serving.contracts.video import Shot, Track
from deepfake_serving.video.people.embedder import FaceEmbedder, Vectors

_FACES = 5
"""Faces of a track that are embedded, evenly spaced."""


@dataclass(frozen=True, slots=True)
class TrackIdentity:
    """The mean direction (d,) of a track's faces, and the frames that it is in."""

    vector: Vectors
    frames: frozenset[float]


def identify(track: Track, faces: Sequence[bytes], embedder: FaceEmbedder) -> TrackIdentity:
    """Returns the identity of a track.

    Args:
        faces: gallery images of its frames, at least one.
    """
    chosen = np.linspace(0, len(faces) - 1, min(_FACES, len(faces))).round().astype(int)
    mean = embedder.embed([faces[index] for index in chosen]).mean(axis=0)
    vector = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return TrackIdentity(vector, frozenset(frame.t_s for frame in track.frames))


def group(identities: Sequence[TrackIdentity], similarity: float) -> list[int]:
    """Returns the number of each track's person, from 1 in order of appearance.

    The most similar tracks are joined first. Tracks that are in one frame are different people, and
    so are all tracks that were joined with them.

    Args:
        similarity: the least cosine of two tracks of one person.
    """
    groups = [{number} for number in range(len(identities))]
    pairs = [
        (float(identities[a].vector @ identities[b].vector), a, b)
        for a, b in combinations(range(len(identities)), 2)
    ]
    for cosine, a, b in sorted(pairs, key=lambda pair: -pair[0]):
        if cosine <= similarity:
            break
        if groups[a] is not groups[b] and not _together(identities, groups[a], groups[b]):
            groups[a] |= groups[b]
            for member in groups[b]:
                groups[member] = groups[a]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(id(members), len(numbers) + 1) for members in groups]


def with_people(
    shots: Sequence[Shot], identities: Sequence[TrackIdentity], similarity: float
) -> list[Shot]:
    """Returns the shots with the person of each track.

    Args:
        identities: of all tracks, in the order of the shots.
    """
    people = iter(group(identities, similarity))
    return [
        replace(shot, tracks=[replace(track, person=next(people)) for track in shot.tracks])
        for shot in shots
    ]


def _together(identities: Sequence[TrackIdentity], some: set[int], others: set[int]) -> bool:
    """Returns whether tracks of both groups are in one frame."""
    return any(identities[a].frames & identities[b].frames for a in some for b in others)
