"""Box arithmetic of MTCNN, on NumPy arrays of rows x1, y1, x2, y2.

MTCNN counts pixels inclusively, as its original MATLAB code did: a box's width is x2 - x1 + 1
wherever it is regressed or compared.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


def regress(boxes: Floats, offsets: Floats) -> Floats:
    """Moves each side by its offset, given in box sizes. (n, 4), (n, 4) → (n, 4)."""
    size = boxes[:, 2:4] - boxes[:, 0:2] + 1
    return (boxes[:, :4] + offsets * np.tile(size, 2)).astype(np.float32)


def square(boxes: Floats) -> Floats:
    """Grows each box to a square about its centre. (n, 4) → (n, 4)."""
    size = boxes[:, 2:4] - boxes[:, 0:2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, 0:2] + size / 2 - side / 2
    return np.hstack([corner, corner + side]).astype(np.float32)


def nms(boxes: Floats, scores: Floats, threshold: float) -> Indices:
    """Greedy non-maximum suppression: drops boxes that overlap a better one too much.

    Args:
        boxes: (n, 4). scores: (n,), above 0.
        threshold: intersection over union; only here is a box's width x2 - x1.

    Returns:
        Indices of the boxes that are kept, best first.
    """
    if not len(boxes):
        return np.zeros(0, dtype=np.intp)
    corners = np.hstack([boxes[:, 0:2], boxes[:, 2:4] - boxes[:, 0:2]])
    picked = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, threshold)
    return np.asarray(picked, dtype=np.intp)


def nms_min_area(boxes: Floats, scores: Floats, threshold: float) -> Indices:
    """Non-maximum suppression by intersection over the smaller area, as in MTCNN's last stage."""
    size = boxes[:, 2:4] - boxes[:, 0:2] + 1
    area = size[:, 0] * size[:, 1]
    order = np.argsort(-scores, kind="stable")
    keep: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(int(best))
        corner = np.maximum(boxes[best, 0:2], boxes[rest, 0:2])
        far = np.minimum(boxes[best, 2:4], boxes[rest, 2:4])
        shared = np.prod(np.maximum(far - corner + 1, 0), axis=1)
        order = rest[shared <= threshold * np.minimum(area[best], area[rest])]
    return np.asarray(keep, dtype=np.intp)
