"""MTCNN: a cascade of three small networks, each of which filters the candidates of the one before.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016 (arXiv:1604.02878). Networks and weights are facenet-pytorch's. The cascade is
reimplemented: facenet-pytorch's raises on small, grey and unequal images, and takes several times
as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.boxes import Indices, nms, nms_min_area, regress, square
from model_handlers.pipeline.detection.pyramid import CELL, Layout, Level, build_layout
from model_handlers.pipeline.graph import Batch, Cascade, Floats, PreparedImage

_STRIDE = 2
_MAX_CANVAS_PIXELS = 2**22
"""Maximum number of canvas pixels in one P-Net batch, which limits its memory."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one image: boxes (n, 4), scores (n,), landmarks (n, 5, 2), in its pixels."""

    boxes: Floats
    scores: Floats
    landmarks: Floats


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Boxes over a batch of images: boxes (n, 4), scores (n,), owners (n,) image indices."""

    boxes: Floats
    scores: Floats
    owners: Indices

    def take(self, index: Indices) -> _Candidates:
        return _Candidates(self.boxes[index], self.scores[index], self.owners[index])


class MTCNN:
    """The cascade over a batch of images of any sizes."""

    def __init__(self, cascade: Cascade, thresholds: Sequence[float], factor: float) -> None:
        self.cascade, self.thresholds, self.factor = cascade, tuple(thresholds), factor

    def detect(self, images: Sequence[Pixels], min_faces: Sequence[float]) -> list[Detections]:
        """Detects all faces; `min_faces` is each image's smallest face, in its pixels."""
        if not images:
            return []
        prepared = [self.cascade.prepare(image) for image in images]
        proposed = self._propose(prepared, min_faces)
        refined = self._refine(prepared, proposed)
        return self._output(prepared, refined)

    def refine(self, image: Pixels, boxes: Floats) -> Detections:
        """Detects the faces around boxes (n, 4), which take the place of P-Net's proposals."""
        owners = np.zeros(len(boxes), np.intp)
        proposed = _Candidates(square(boxes), np.ones(len(boxes), np.float32), owners)
        prepared = [self.cascade.prepare(image)]
        return self._output(prepared, self._refine(prepared, proposed))[0]

    def _propose(self, images: Sequence[PreparedImage], min_faces: Sequence[float]) -> _Candidates:
        """P-Net over every image's pyramid; canvases of one size go in one batch."""
        layouts = [
            build_layout(image.width, image.height, min_face, self.factor)
            for image, min_face in zip(images, min_faces, strict=True)
        ]
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, layout in enumerate(layouts):
            if layout.levels:
                by_size[layout.height, layout.width].append(index)
        empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        found = [empty] * len(images)
        for (height, width), members in by_size.items():
            per_batch = max(1, _MAX_CANVAS_PIXELS // (height * width))
            for start in range(0, len(members), per_batch):
                chunk = members[start : start + per_batch]
                canvases = [images[i].canvas(layouts[i]) for i in chunk]
                offsets, scores = self.cascade.pnet(*canvases)
                for row, i in enumerate(chunk):
                    found[i] = _proposals(offsets[row], scores[row], layouts[i], self.thresholds[0])
        return _join(found)

    def _refine(self, images: Sequence[PreparedImage], candidates: _Candidates) -> _Candidates:
        """R-Net: rejects candidates at 24 px."""
        candidates, crops = _crop_candidates(images, candidates, 24)
        if not crops:
            return candidates
        offsets, scores = self.cascade.rnet(*crops)
        passed = np.flatnonzero(scores > self.thresholds[1])
        kept = _Candidates(candidates.boxes[passed], scores[passed], candidates.owners[passed])
        picked = _nms_per_image(kept, 0.7, nms)
        moved = regress(kept.boxes[picked], offsets[passed][picked])
        return _Candidates(square(moved), kept.scores[picked], kept.owners[picked])

    def _output(self, images: Sequence[PreparedImage], candidates: _Candidates) -> list[Detections]:
        """O-Net: rejects candidates at 48 px, and locates eyes, nose and mouth corners."""
        candidates, crops = _crop_candidates(images, candidates, 48)
        if not crops:
            return [_no_detections() for _ in images]
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
        picked = _nms_per_image(moved, 0.7, nms_min_area)
        final = moved.take(picked)
        return [
            Detections(final.boxes[owned], final.scores[owned], landmarks[picked][owned])
            for owned in (final.owners == index for index in range(len(images)))
        ]


def _proposals(
    offsets: Floats, scores: Floats, layout: Layout, threshold: float
) -> tuple[Floats, Floats]:
    """Returns P-Net's proposals for one image: square boxes (n, 4), in its pixels; scores (n,)."""
    levels = [_cells(offsets, scores, level, threshold) for level in layout.levels]
    boxes, kept, moves = (np.concatenate(part) for part in zip(*levels, strict=True))
    picked = nms(boxes, kept, 0.7)
    boxes, moves = boxes[picked], moves[picked]
    size = np.tile(boxes[:, 2:4] - boxes[:, 0:2], 2)  # only here without the inclusive + 1
    return square((boxes + moves * size).astype(np.float32)), kept[picked]


def _cells(
    offsets: Floats, scores: Floats, level: Level, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """Returns a level's cells over the threshold, after non-maximum suppression.

    Returns:
        Boxes (n, 4) in the image's pixels, scores (n,), offsets (n, 4).
    """
    top, left = level.top // _STRIDE, level.left // _STRIDE
    bottom, right = (
        start + (side - CELL + 1) // _STRIDE + 1
        for start, side in ((top, level.height), (left, level.width))
    )
    level_scores = scores[top:bottom, left:right]
    rows, columns = np.nonzero(level_scores >= threshold)
    corner = _STRIDE * np.stack([columns, rows], axis=1).astype(np.float32)
    boxes = np.floor(np.hstack([corner + 1, corner + CELL]) / np.float32(level.scale))
    found = level_scores[rows, columns]
    picked = nms(boxes, found, 0.5)
    rows, columns = rows[picked] + top, columns[picked] + left
    return boxes[picked], found[picked], offsets[:, rows, columns].T


def _join(parts: Sequence[tuple[Floats, Floats]]) -> _Candidates:
    owners = np.repeat(np.arange(len(parts)), [len(scores) for _, scores in parts])
    return _Candidates(
        np.concatenate([boxes for boxes, _ in parts]),
        np.concatenate([scores for _, scores in parts]),
        owners,
    )


def _crop_candidates(
    images: Sequence[PreparedImage], candidates: _Candidates, size: int
) -> tuple[_Candidates, list[Batch]]:
    """Crops each box, clipped to its image, and resizes it to (size, size, 3).

    Returns:
        The candidates that overlap their images, and the crops of each image that has any.
    """
    kept: list[Indices] = [np.zeros(0, np.intp)]
    crops: list[Batch] = []
    for owner in np.unique(candidates.owners):
        image, owned = images[owner], np.flatnonzero(candidates.owners == owner)
        boxes = candidates.boxes[owned].astype(np.int64)
        low = np.maximum(boxes[:, :2], 1) - 1
        high = np.minimum(boxes[:, 2:], [image.width, image.height])
        inside = np.all(high > low, axis=1)
        if inside.any():
            kept.append(owned[inside])
            crops.append(image.crops(np.hstack([low, high])[inside], size))
    return candidates.take(np.concatenate(kept)), crops


def _nms_per_image(
    candidates: _Candidates,
    threshold: float,
    suppression: Callable[[Floats, Floats, float], Indices],
) -> Indices:
    """Non-maximum suppression within each image; indices into `candidates`."""
    picked = [
        owned[suppression(candidates.boxes[owned], candidates.scores[owned], threshold)]
        for owner in np.unique(candidates.owners)
        for owned in (np.flatnonzero(candidates.owners == owner),)
    ]
    return np.concatenate(picked) if picked else np.zeros(0, dtype=np.intp)


def _no_detections() -> Detections:
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )
