"""Aligned crops: eyes, nose and corners of the mouth at fixed positions.

The positions are those of ArcFace (Deng et al. 2019, arXiv:1801.07698) within 112x112 pixels,
widened by a margin as DeepfakeBench does (Yan et al. 2023, arXiv:2307.01426). Outside the image is
black.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.decode import Pixels

Points = npt.NDArray[np.float64]

_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_TEMPLATE_SIDE = 112


def aligned_crop(image: Pixels, landmarks: Points, spec: CropSpec) -> Pixels:
    """Crops a face with its landmarks moved to their positions, as well as a similarity can.

    Args:
        landmarks: (5, 2) left eye, right eye, nose, left and right corner of the mouth, as seen.

    Returns:
        uint8 (size, size, 3).
    """
    matrix = similarity(landmarks, target_landmarks(spec))
    warped = cv2.warpAffine(image, matrix, (spec.size, spec.size), flags=cv2.INTER_LINEAR)
    return warped.astype(np.uint8, copy=False)


def target_landmarks(spec: CropSpec) -> Points:
    """Returns where the landmarks belong (5, 2), in pixels of the crop."""
    margin = (spec.margin - 1) / 2
    return (_TEMPLATE / _TEMPLATE_SIDE + margin) / spec.margin * spec.size


def similarity(source: Points, target: Points) -> Points:
    """Returns the rotation, scale and shift (2, 3) that map `source` to `target` best.

    Least squares over complex numbers: z → a z + b (Umeyama 1991, without reflection).
    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    centred = z - z.mean()
    a = (centred.conj() * (w - w.mean())).sum() / max((abs(centred) ** 2).sum(), 1e-9)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
