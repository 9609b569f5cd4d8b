"""Chains: each face through the consecutive frames of a video that are analysed together."""

from __future__ import annotations

from collections.abc import Sequence

from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face, FoundFaces
from model_handlers.pipeline.frames.following import (
    MIN_OVERLAP,
    are_alike,
    video_of,
)

Chain = list[int]
"""The positions of one face among the faces of all images, a frame after the other."""


def face_chains(
    images: Sequence[Pixels], found: Sequence[FoundFaces], options: Sequence[Options]
) -> list[Chain]:
    """Returns the chains of all faces, each of which is in one chain.

    A chain continues where the frames are alike, as they are not on two sides of a cut, and the
    face is certain in both of them and in nearly the same place. A face of an image that is no
    frame is a chain of its own.
    """
    chains: list[Chain] = []
    previous: dict[Face, Chain] = {}
    position = 0
    for number, each in enumerate(found):
        if number == 0 or not _continues(images, options, number):
            previous = {}
        current: dict[Face, Chain] = {}
        for face in each.faces:
            chain = _take(previous, face)
            if chain is None:
                chains.append(chain := [])
            chain.append(position)
            current[face] = chain
            position += 1
        previous = current
    return chains


def _continues(images: Sequence[Pixels], options: Sequence[Options], number: int) -> bool:
    """Returns whether an image is the next frame of the same video, without a cut between."""
    last, this = (video_of(images[n], options[n]) for n in (number - 1, number))
    return this is not None and this == last and are_alike(images[number - 1], images[number])


def _take(chains: dict[Face, Chain], face: Face) -> Chain | None:
    """Removes and returns the chain whose last face is this one in the frame before."""
    certain = [last for last in chains if last.is_certain] if face.is_certain else []
    nearest = max(certain, key=lambda last: face.overlap(last), default=None)
    if nearest is None or face.overlap(nearest) < MIN_OVERLAP:
        return None
    return chains.pop(nearest)
