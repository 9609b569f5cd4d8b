"""MTCNN: three small networks find faces, each asked only about what the one before let pass.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016 (arXiv:1604.02878). Networks and weights are facenet-pytorch's; the cascade around
them is ours, because theirs raises on small, grey and unequal pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor, nn

from model_handlers.pipeline.boxes import Floats, regress, square, suppress
from model_handlers.pipeline.decode import Pixels

_CELL, _STRIDE = 12, 2
_FORWARD_AT_MOST = 512


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
    owners: npt.NDArray[np.intp]

    def take(self, index: npt.NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.boxes[index], self.scores[index], self.owners[index])


class MTCNN:
    """The cascade over a batch of pictures of any sizes. Always fp32: bf16 loses faces."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        thresholds: Sequence[float],
        factor: float,
        device: torch.device,
    ) -> None:
        """`weights` holds the three state dicts under `pnet.`, `rnet.` and `onet.`."""
        self.thresholds, self.factor, self.device = tuple(thresholds), factor, device
        self.pnet, self.rnet, self.onet = (
            _load(net, weights, prefix, device)
            for net, prefix in ((PNet, "pnet."), (RNet, "rnet."), (ONet, "onet."))
        )

    @torch.inference_mode()
    def detect(self, images: Sequence[Pixels], min_faces: Sequence[float]) -> list[Detections]:
        """Finds all faces; `min_faces` is each picture's smallest face in its own pixels."""
        if not images:
            return []
        proposed = self._propose(images, min_faces)
        refined = self._refine(images, proposed)
        return self._conclude(images, refined)

    def _propose(self, images: Sequence[Pixels], min_faces: Sequence[float]) -> _Candidates:
        """P-Net over every level of every picture's pyramid; equal levels go in one batch."""
        levels: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
        for index, (image, min_face) in enumerate(zip(images, min_faces, strict=True)):
            for scale in _pyramid(image.shape[0], image.shape[1], min_face, self.factor):
                height, width = (int(side * scale + 1) for side in image.shape[:2])
                levels[height, width].append((index, scale))
        found: list[list[tuple[Floats, Floats, Floats]]] = [[] for _ in images]
        for (height, width), members in levels.items():
            batch = _normalise([_resize(images[i], width, height) for i, _ in members], self.device)
            offsets, probabilities = self.pnet(batch)
            for row, (index, scale) in enumerate(members):
                level = _cells(offsets[row], probabilities[row, 1], scale, self.thresholds[0])
                found[index].append(_pick(level, 0.5))
        return _join([_propose_one(parts) for parts in found])

    def _refine(self, images: Sequence[Pixels], candidates: _Candidates) -> _Candidates:
        """R-Net: is it a face at 24 px?"""
        candidates, crops = _cut(images, candidates, 24, self.device)
        if not len(crops):
            return candidates
        offsets, probabilities = _forward(self.rnet, crops)
        scores = probabilities[:, 1]
        passed = np.flatnonzero(scores > self.thresholds[1])
        kept = _Candidates(candidates.boxes[passed], scores[passed], candidates.owners[passed])
        picked = _suppress_each(kept, 0.7)
        moved = regress(kept.boxes[picked], offsets[passed][picked])
        return _Candidates(square(moved), kept.scores[picked], kept.owners[picked])

    def _conclude(self, images: Sequence[Pixels], candidates: _Candidates) -> list[Detections]:
        """O-Net: is it a face at 48 px, and where are its eyes, nose and mouth corners?"""
        candidates, crops = _cut(images, candidates, 48, self.device)
        if not len(crops):
            return [_nothing() for _ in images]
        offsets, points, probabilities = _forward(self.onet, crops)
        scores = probabilities[:, 1]
        passed = np.flatnonzero(scores > self.thresholds[2])
        boxes = candidates.boxes[passed]
        size = boxes[:, 2:4] - boxes[:, 0:2] + 1
        x, y = points[passed, :5], points[passed, 5:]
        relative = np.stack([x * size[:, :1], y * size[:, 1:]], axis=2)
        landmarks = relative + boxes[:, None, 0:2] - 1
        moved = _Candidates(
            regress(boxes, offsets[passed]), scores[passed], candidates.owners[passed]
        )
        picked = _suppress_each(moved, 0.7, by_smaller=True)
        final = moved.take(picked)
        return [
            Detections(final.boxes[mine], final.scores[mine], landmarks[picked][mine])
            for mine in (final.owners == index for index in range(len(images)))
        ]


def _load(
    net: type[nn.Module], weights: Mapping[str, Tensor], prefix: str, device: torch.device
) -> nn.Module:
    module = net(pretrained=False)
    module.load_state_dict(
        {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
    )
    return module.eval().to(device)


def _pyramid(height: int, width: int, min_face: float, factor: float) -> list[float]:
    """Scales at which a face of `min_face` px and more becomes P-Net's 12 px cell."""
    scale, scales = _CELL / min_face, []
    while min(height, width) * scale >= _CELL:
        scales.append(scale)
        scale *= factor
    return scales


def _resize(image: Pixels, width: int, height: int) -> Pixels:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _normalise(images: Sequence[Pixels], device: torch.device) -> Tensor:
    """(h, w, 3) pictures of one size → (n, 3, h, w) in about [-1, 1]."""
    batch = torch.from_numpy(np.stack(images)).to(device)
    return (batch.permute(0, 3, 1, 2).float() - 127.5) / 128


def _cells(
    offsets: Tensor, probability: Tensor, scale: float, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """The cells of one P-Net map over the threshold: boxes (n, 4), scores (n,), offsets (n, 4)."""
    rows, columns = torch.nonzero(probability >= threshold, as_tuple=True)
    corner = _STRIDE * torch.stack([columns, rows], dim=1).float()
    boxes = torch.cat([(corner + 1) / scale, (corner + _CELL) / scale], dim=1).floor()
    return (
        boxes.cpu().numpy(),
        probability[rows, columns].cpu().numpy(),
        offsets[:, rows, columns].T.cpu().numpy(),
    )


def _pick(cells: tuple[Floats, Floats, Floats], threshold: float) -> tuple[Floats, Floats, Floats]:
    boxes, scores, offsets = cells
    picked = suppress(boxes, scores, threshold)
    return boxes[picked], scores[picked], offsets[picked]


def _propose_one(levels: Sequence[tuple[Floats, Floats, Floats]]) -> tuple[Floats, Floats]:
    """One picture's proposals: its levels together, suppressed, regressed and made square."""
    if not levels:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    boxes, scores, offsets = (np.concatenate(part) for part in zip(*levels, strict=True))
    picked = suppress(boxes, scores, 0.7)
    boxes, offsets = boxes[picked], offsets[picked]
    size = np.tile(boxes[:, 2:4] - boxes[:, 0:2], 2)  # here, alone, without the inclusive + 1
    return square((boxes + offsets * size).astype(np.float32)), scores[picked]


def _join(parts: Sequence[tuple[Floats, Floats]]) -> _Candidates:
    owners = np.repeat(np.arange(len(parts)), [len(scores) for _, scores in parts])
    return _Candidates(
        np.concatenate([boxes for boxes, _ in parts]),
        np.concatenate([scores for _, scores in parts]),
        owners,
    )


def _cut(
    images: Sequence[Pixels], candidates: _Candidates, size: int, device: torch.device
) -> tuple[_Candidates, Tensor]:
    """Cuts each box, as far as it lies in its picture, and resizes it to (3, size, size)."""
    crops, kept = [], []
    for row, (box, owner) in enumerate(zip(candidates.boxes, candidates.owners, strict=True)):
        image = images[owner]
        x1, y1 = (max(int(side), 1) - 1 for side in box[:2])
        x2, y2 = min(int(box[2]), image.shape[1]), min(int(box[3]), image.shape[0])
        if x2 > x1 and y2 > y1:
            crops.append(_resize(image[y1:y2, x1:x2], size, size))
            kept.append(row)
    tensor = _normalise(crops, device) if crops else torch.zeros(0, 3, size, size, device=device)
    return candidates.take(np.asarray(kept, dtype=np.intp)), tensor


def _forward(net: nn.Module, crops: Tensor) -> tuple[Floats, ...]:
    """Runs `net` over all crops, a bounded number at a time."""
    parts = [net(chunk) for chunk in torch.split(crops, _FORWARD_AT_MOST)]
    return tuple(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))


def _suppress_each(
    candidates: _Candidates, threshold: float, *, by_smaller: bool = False
) -> npt.NDArray[np.intp]:
    """Non-maximum suppression within each picture; indices into `candidates`."""
    picked = [
        mine[
            suppress(
                candidates.boxes[mine], candidates.scores[mine], threshold, by_smaller=by_smaller
            )
        ]
        for owner in np.unique(candidates.owners)
        for mine in (np.flatnonzero(candidates.owners == owner),)
    ]
    return np.concatenate(picked) if picked else np.zeros(0, dtype=np.intp)


def _nothing() -> Detections:
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )
