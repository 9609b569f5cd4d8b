"""MTCNN: three small networks find faces, each asked only about what the one before let pass.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016 (arXiv:1604.02878). Networks and weights are facenet-pytorch's; the cascade around
them is ours, because theirs raises on small, grey and unequal pictures, and takes several times as
long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model_handlers.pipeline.boxes import Indices, regress, square, suppress, suppress_contained
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Batch, Cascade, Floats, Picture
from model_handlers.pipeline.pyramid import CELL, Layout, Level, lay_out

_STRIDE = 2
_PIXELS_AT_MOST = 2**22
"""Of the canvases that go through P-Net together, lest they fill the memory."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one picture: boxes (n, 4), scores (n,), landmarks (n, 5, 2), in its pixels."""

    boxes: Floats
    scores: Floats
    landmarks: Floats


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Boxes over a batch of pictures: boxes (n, 4), scores (n,), owners (n,) picture indices."""

    boxes: Floats
    scores: Floats
    owners: Indices

    def take(self, index: Indices) -> _Candidates:
        return _Candidates(self.boxes[index], self.scores[index], self.owners[index])


class MTCNN:
    """The cascade over a batch of pictures of any sizes."""

    def __init__(self, cascade: Cascade, thresholds: Sequence[float], factor: float) -> None:
        self.cascade, self.thresholds, self.factor = cascade, tuple(thresholds), factor

    def detect(self, images: Sequence[Pixels], min_faces: Sequence[float]) -> list[Detections]:
        """Finds all faces; `min_faces` is each picture's smallest face in its own pixels."""
        if not images:
            return []
        pictures = [self.cascade.hold(image) for image in images]
        proposed = self._propose(pictures, min_faces)
        refined = self._refine(pictures, proposed)
        return self._conclude(pictures, refined)

    def _propose(self, pictures: Sequence[Picture], min_faces: Sequence[float]) -> _Candidates:
        """P-Net over every picture's pyramid; canvases of one size go in one batch."""
        layouts = [
            lay_out(picture.width, picture.height, min_face, self.factor)
            for picture, min_face in zip(pictures, min_faces, strict=True)
        ]
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, layout in enumerate(layouts):
            if layout.levels:
                alike[layout.height, layout.width].append(index)
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        found = [nothing] * len(pictures)
        for (height, width), members in alike.items():
            at_once = max(1, _PIXELS_AT_MOST // (height * width))
            for start in range(0, len(members), at_once):
                chunk = members[start : start + at_once]
                canvases = [pictures[i].canvas(layouts[i]) for i in chunk]
                offsets, scores = self.cascade.pnet(*canvases)
                for row, i in enumerate(chunk):
                    found[i] = _proposals(offsets[row], scores[row], layouts[i], self.thresholds[0])
        return _join(found)

    def _refine(self, pictures: Sequence[Picture], candidates: _Candidates) -> _Candidates:
        """R-Net: is it a face at 24 px?"""
        candidates, crops = _cut(pictures, candidates, 24)
        if not crops:
            return candidates
        offsets, scores = self.cascade.rnet(*crops)
        passed = np.flatnonzero(scores > self.thresholds[1])
        kept = _Candidates(candidates.boxes[passed], scores[passed], candidates.owners[passed])
        picked = _suppress_each(kept, 0.7, suppress)
        moved = regress(kept.boxes[picked], offsets[passed][picked])
        return _Candidates(square(moved), kept.scores[picked], kept.owners[picked])

    def _conclude(self, pictures: Sequence[Picture], candidates: _Candidates) -> list[Detections]:
        """O-Net: is it a face at 48 px, and where are its eyes, nose and mouth corners?"""
        candidates, crops = _cut(pictures, candidates, 48)
        if not crops:
            return [_nothing() for _ in pictures]
        offsets, points, scores = self.cascade.onet(*crops)
        passed = np.flatnonzero(scores > self.thresholds[2])
        boxes = candidates.boxes[passed]
        size = boxes[:, 2:4] - boxes[:, 0:2] + 1
        x, y = points[passed, :5], points[passed, 5:]
        relative = np.stack([x * size[:, :1], y * size[:, 1:]], axis=2)
        landmarks = relative + boxes[:, None, 0:2] - 1
        moved = _Candidates(
            regress(boxes, offsets[passed]), scores[passed], candidates.owners[passed]
        )
        picked = _suppress_each(moved, 0.7, suppress_contained)
        final = moved.take(picked)
        return [
            Detections(final.boxes[mine], final.scores[mine], landmarks[picked][mine])
            for mine in (final.owners == index for index in range(len(pictures)))
        ]


def _proposals(
    offsets: Floats, scores: Floats, layout: Layout, threshold: float
) -> tuple[Floats, Floats]:
    """What P-Net proposes for one picture: boxes (n, 4) in its pixels, square, and scores (n,)."""
    levels = [_cells(offsets, scores, level, threshold) for level in layout.levels]
    boxes, kept, moves = (np.concatenate(part) for part in zip(*levels, strict=True))
    picked = suppress(boxes, kept, 0.7)
    boxes, moves = boxes[picked], moves[picked]
    size = np.tile(boxes[:, 2:4] - boxes[:, 0:2], 2)  # here, alone, without the inclusive + 1
    return square((boxes + moves * size).astype(np.float32)), kept[picked]


def _cells(
    offsets: Floats, scores: Floats, level: Level, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """A level's cells over the threshold, less those that better ones cover.

    Returns:
        Boxes (n, 4) in the picture's pixels, scores (n,), offsets (n, 4).
    """
    top, left = level.top // _STRIDE, level.left // _STRIDE
    bottom, right = (
        start + (side - CELL + 1) // _STRIDE + 1
        for start, side in ((top, level.height), (left, level.width))
    )
    here = scores[top:bottom, left:right]
    rows, columns = np.nonzero(here >= threshold)
    corner = _STRIDE * np.stack([columns, rows], axis=1).astype(np.float32)
    boxes = np.floor(np.hstack([corner + 1, corner + CELL]) / np.float32(level.scale))
    found = here[rows, columns]
    picked = suppress(boxes, found, 0.5)
    rows, columns = rows[picked] + top, columns[picked] + left
    return boxes[picked], found[picked], offsets[:, rows, columns].T


def _join(parts: Sequence[tuple[Floats, Floats]]) -> _Candidates:
    owners = np.repeat(np.arange(len(parts)), [len(scores) for _, scores in parts])
    return _Candidates(
        np.concatenate([boxes for boxes, _ in parts]),
        np.concatenate([scores for _, scores in parts]),
        owners,
    )


def _cut(
    pictures: Sequence[Picture], candidates: _Candidates, size: int
) -> tuple[_Candidates, list[Batch]]:
    """Cuts each box, as far as it lies in its picture, and resizes it to (size, size, 3).

    Returns:
        The candidates that lie in their pictures, and the cuts of each picture that has any.
    """
    kept: list[Indices] = [np.zeros(0, np.intp)]
    crops: list[Batch] = []
    for owner in np.unique(candidates.owners):
        picture, mine = pictures[owner], np.flatnonzero(candidates.owners == owner)
        boxes = candidates.boxes[mine].astype(np.int64)
        low = np.maximum(boxes[:, :2], 1) - 1
        high = np.minimum(boxes[:, 2:], [picture.width, picture.height])
        inside = np.all(high > low, axis=1)
        if inside.any():
            kept.append(mine[inside])
            crops.append(picture.cuts(np.hstack([low, high])[inside], size))
    return candidates.take(np.concatenate(kept)), crops


def _suppress_each(
    candidates: _Candidates, threshold: float, how: Callable[[Floats, Floats, float], Indices]
) -> Indices:
    """Non-maximum suppression within each picture; indices into `candidates`."""
    picked = [
        mine[how(candidates.boxes[mine], candidates.scores[mine], threshold)]
        for owner in np.unique(candidates.owners)
        for mine in (np.flatnonzero(candidates.owners == owner),)
    ]
    return np.concatenate(picked) if picked else np.zeros(0, dtype=np.intp)


def _nothing() -> Detections:
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )
