"""Groups tracks to people: connected components of tracks whose embeddings are similar."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deepfake_serving.contracts.video import Shot, Track
from deepfake_serving.video.people.embedder import FaceEmbedder, Vectors

MAX_TRACKS = 2000
"""Tracks of a video that are compared, for which 100 MB are enough."""
_CHUNK = 4096
"""Pairs that are looked at at once for the next two tracks to join."""
_FACES = 5
"""Faces of a track that are embedded, evenly spaced."""

Pairs = npt.NDArray[np.intp]


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
    so are all tracks that were joined with them. The time grows with the square of the tracks.

    Args:
        similarity: the cosine that tracks of one person exceed.
    """
    labels = np.arange(len(identities))
    apart = _in_one_frame(identities)
    first, second = _similar_pairs(identities, similarity)
    position = 0
    while position < len(first):
        chunk = slice(position, position + _CHUNK)
        ones, others = labels[first[chunk]], labels[second[chunk]]
        joined = np.flatnonzero((ones != others) & ~apart[ones, others])
        if not joined.size:
            position += _CHUNK
            continue
        position += int(joined[0]) + 1
        one, other = ones[joined[0]], others[joined[0]]
        labels[labels == other] = one
        apart[one] |= apart[other]
        apart[:, one] |= apart[:, other]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers) + 1) for label in labels.tolist()]


def with_people(
    shots: Sequence[Shot], identities: Sequence[TrackIdentity], similarity: float
) -> list[Shot]:
    """Returns the shots with the person of each track; of more than `MAX_TRACKS`, of the longest.

    Args:
        identities: of all tracks, in the order of the shots.
    """
    longest = sorted(range(len(identities)), key=lambda index: -len(identities[index].frames))
    compared = sorted(longest[:MAX_TRACKS])
    numbers = group([identities[index] for index in compared], similarity)
    people = dict(zip(compared, numbers, strict=True))
    index = itertools.count()
    return [
        replace(
            shot, tracks=[replace(track, person=people.get(next(index))) for track in shot.tracks]
        )
        for shot in shots
    ]


def _in_one_frame(identities: Sequence[TrackIdentity]) -> npt.NDArray[np.bool_]:
    """Returns which tracks (n, n) share a frame."""
    tracks = defaultdict[float, list[int]](list)
    for number, identity in enumerate(identities):
        for frame in identity.frames:
            tracks[frame].append(number)
    shared = np.zeros((len(identities), len(identities)), bool)
    for numbers in tracks.values():
        shared[np.ix_(numbers, numbers)] = True
    return shared


def _similar_pairs(identities: Sequence[TrackIdentity], similarity: float) -> tuple[Pairs, Pairs]:
    """Returns the tracks (m,) of pairs whose cosine exceeds a limit, the most similar first."""
    if not identities:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    vectors = np.stack([identity.vector for identity in identities])
    cosines = vectors @ vectors.T
    first, second = np.nonzero(np.triu(cosines > similarity, 1))
    order = np.argsort(-cosines[first, second], kind="stable")
    return first[order], second[order]
