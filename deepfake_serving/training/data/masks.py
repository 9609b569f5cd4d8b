"""Blend masks: eight shapes over the landmarks, deformed, dilated or eroded, and blurred.

The shapes are those that swapping tools paste: whole hulls (FaceSwap), the part below the brows
(Deepfakes autoencoders), an aligned square or ellipse (one-shot swappers that paste a warped crop
back), and single features (attribute edits). Deformation and blur as in Shiohara & Yamasaki,
"Detecting Deepfakes with Self-Blended Images", CVPR 2022 (arXiv:2204.08376), and Li et al., "Face
X-ray", CVPR 2020 (arXiv:1912.13458).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.portraits import Points

Mask = npt.NDArray[np.float32]
"""(height, width) in 0..1: the opacity of the pasted face in each pixel."""

_BROWS = [70, 63, 105, 66, 107, 55, 46, 300, 293, 334, 296, 336, 285, 276]
_EYES = [33, 145, 133, 159, 263, 374, 362, 386]
_NOSE = [168, 6, 5, 1, 2, 98, 327, 129, 358]
_LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 267, 0, 37, 40, 185]
_JAW = [234, 93, 132, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 361, 323, 454]
HULLS: dict[str, list[int]] = {
    "face": list(range(468)),
    "below_brows": [*_BROWS, *_JAW],
    "features": [*_BROWS, *_EYES, *_NOSE, *_LIPS],
    "eyes_nose": [*_BROWS, *_EYES, *_NOSE],
    "lower": [*_NOSE[2:], *_JAW[2:-2]],
    "mouth": [*_LIPS, 2, 164, 18, 200],
}
SHAPES = (*HULLS, "square", "ellipse")
SHAPE_WEIGHTS = np.array([3, 3, 2, 1, 1, 0.5, 6, 3], dtype=float)
"""Relative frequency of each shape: whole faces more often than single features."""


def five_points(points: Points) -> Points:
    """Returns eyes, nose tip and mouth corners, (5, 2), of either kind of landmarks."""
    if len(points) == 5:
        return points
    left, right = points[[33, 133]].mean(0), points[[362, 263]].mean(0)
    return np.stack([left, right, points[1], points[61], points[291]]).astype(np.float32)


def draw_mask(points: Points, size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Draws a soft mask over a face; `size` is (height, width)."""
    shapes = SHAPES if len(points) == 468 else SHAPES[-2:]
    weights = SHAPE_WEIGHTS[-len(shapes) :]
    shape = str(rng.choice(shapes, p=weights / weights.sum()))
    return _blur(_deform(hard_mask(points, size, shape), points, rng), points, rng)


def hard_mask(points: Points, size: tuple[int, int], shape: str) -> Mask:
    """Returns one of `SHAPES`, filled with ones."""
    mask = np.zeros(size, np.float32)
    if shape in HULLS:
        polygon = cv2.convexHull(points[HULLS[shape]]).astype(np.int32)
        cv2.fillConvexPoly(mask, polygon, (1.0,))
        return mask
    return _aligned_shape(mask, points, shape)


def _aligned_shape(mask: Mask, points: Points, shape: str) -> Mask:
    """Draws a square or an ellipse along the axis from eyes to mouth."""
    five = five_points(points)
    eyes, mouth = five[:2].mean(0), five[3:].mean(0)
    down = mouth - eyes
    length = float(np.hypot(*down))
    angle = float(np.degrees(np.arctan2(down[1], down[0]))) - 90
    x, y = (eyes + 0.55 * down).astype(float)
    if shape == "square":
        corners = cv2.boxPoints(((x, y), (2.3 * length, 2.3 * length), angle))
        cv2.fillConvexPoly(mask, corners.astype(np.int32), (1.0,))
    else:
        axes = (round(0.95 * length), round(1.35 * length))
        cv2.ellipse(mask, (round(x), round(y)), axes, angle, 0, 360, (1.0,), thickness=-1)
    return mask


def _eyes_to_mouth(points: Points) -> float:
    """Returns the distance from eyes to mouth, pixels: the unit of what scales with the face."""
    five = five_points(points)
    return max(4.0, float(np.hypot(*(five[3:].mean(0) - five[:2].mean(0)))))


def _deform(mask: Mask, points: Points, rng: np.random.Generator) -> Mask:
    """Applies a smooth random displacement, then dilates or erodes by up to a sixth of the face."""
    height, width = mask.shape
    length = _eyes_to_mouth(points)
    coarse = rng.normal(0, 0.07 * length, (2, 6, 6)).astype(np.float32)
    dx, dy = (cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    deformed = cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR)
    radius = round(float(rng.uniform(-0.15, 0.10)) * length)
    if radius:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1,) * 2)
        deformed = (cv2.dilate if radius > 0 else cv2.erode)(deformed, kernel)
    return deformed.astype(np.float32)


def _blur(mask: Mask, points: Points, rng: np.random.Generator) -> Mask:
    """Blurs the border to a width of up to a third of the face."""
    sigma = float(rng.uniform(0.01, 0.16)) * _eyes_to_mouth(points)
    blurred = cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.5))
    if rng.random() < 0.5:  # keeps the ramp inside the shape, as paste-back code does
        blurred = np.clip(2 * blurred - 1, 0, 1)
    peak = float(blurred.max())
    return (blurred / peak if peak > 0.05 else mask).astype(np.float32)
