"""Blended fakes from real portraits: a face pasted over a face with a soft mask.

Self-blends paste a face over itself after a small change (Shiohara & Yamasaki 2022,
arXiv:2204.08376). Cross-blends paste the face of a person with similar landmarks (Li et al. 2020,
arXiv:1912.13458). Both teach the blending boundary and the mismatch of statistics between inside
and outside, which every face swap has, instead of the artifacts of one tool.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.degradation import degrade
from deepfake_serving.training.data.masks import Mask, draw_mask, five_points
from deepfake_serving.training.data.portraits import Points, Portrait
from model_handlers.pipeline.decode import Pixels

BLEND_RATIOS = (0.3, 0.5, 0.75, 1.0)
_RATIO_WEIGHTS = (0.1, 0.2, 0.3, 0.4)
"""Maximum opacity of the pasted face, and the probability of each."""

_POISSON_PROBABILITY = 0.15


@dataclass(frozen=True, slots=True)
class Blend:
    """Two uint8 images of one size and the mask; `fake` equals `real` where `mask` is 0."""

    real: Pixels
    fake: Pixels
    mask: Mask


def self_blend(real: Pixels, portrait: Portrait, rng: np.random.Generator) -> Blend:
    """Pastes the face over itself after shifting, recolouring and degrading it."""
    source = _recolour(_shift(real, portrait, rng), rng)
    source = degrade(source, portrait.face_px, rng)
    return _paste(real, source, portrait, rng)


def cross_blend(
    real: Pixels, portrait: Portrait, donor: Pixels, other: Portrait, rng: np.random.Generator
) -> Blend:
    """Pastes another person's face, warped onto the landmarks and matched in colour."""
    warped, mesh = warp_to_landmarks(donor, other.points, portrait.points, real.shape)
    region = draw_mask(portrait.points, real.shape[:2], rng)
    source = _match_colours(warped, real, region, float(rng.uniform(0.6, 1.0)))
    if mesh and rng.random() < _POISSON_PROBABILITY:
        source = _poisson(source, real, region)
    source = degrade(source, portrait.face_px, rng)
    return _paste(real, source, portrait, rng)


def _paste(real: Pixels, source: Pixels, portrait: Portrait, rng: np.random.Generator) -> Blend:
    ratio = float(rng.choice(BLEND_RATIOS, p=_RATIO_WEIGHTS))
    mask = draw_mask(portrait.points, real.shape[:2], rng) * ratio
    mask[mask < 1 / 255] = 0
    alpha = mask[:, :, None]
    fake = np.rint(real * (1 - alpha) + source * alpha).astype(np.uint8)
    return Blend(real, fake, mask)


def _shift(image: Pixels, portrait: Portrait, rng: np.random.Generator) -> Pixels:
    """Rotates by up to 2°, scales by up to 5 % and moves by up to 3 % of the face size."""
    x1, y1, x2, y2 = portrait.box
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    matrix = cv2.getRotationMatrix2D(
        centre, float(rng.uniform(-2, 2)), float(rng.uniform(0.95, 1.05))
    )
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-0.03, 0.03, 2) * portrait.face_px
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101).astype(np.uint8)


def _recolour(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Jitters the RGB channels, then hue, saturation and value, then brightness and contrast."""
    out = image.astype(np.float32)
    if rng.random() < 0.6:
        out += rng.uniform(-18, 18, 3)
    if rng.random() < 0.6:
        hsv = cv2.cvtColor(np.clip(out, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv = hsv.astype(np.float32) * (1, rng.uniform(0.7, 1.3), rng.uniform(0.85, 1.15))
        hsv[:, :, 0] = (hsv[:, :, 0] + rng.uniform(-6, 6)) % 180
        out = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(
            np.float32
        )
    if rng.random() < 0.6:
        out = (out - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-15, 15)
    return np.clip(out, 0, 255).astype(np.uint8)


def _match_colours(source: Pixels, target: Pixels, mask: Mask, strength: float) -> Pixels:
    """Transfers mean and deviation of the Lab channels from the target (Reinhard et al. 2001)."""
    inside = mask > 0.5
    if inside.sum() < 64:
        return source
    lab = cv2.cvtColor(source, cv2.COLOR_RGB2LAB).astype(np.float32)
    reference = cv2.cvtColor(target, cv2.COLOR_RGB2LAB).astype(np.float32)
    mean, std = lab[inside].mean(0), lab[inside].std(0) + 1
    target_mean, target_std = reference[inside].mean(0), reference[inside].std(0) + 1
    matched = (lab - mean) * (target_std / std) + target_mean
    mixed: Pixels = np.clip(lab + strength * (matched - lab), 0, 255).astype(np.uint8)
    return cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB).astype(np.uint8)


def _poisson(source: Pixels, target: Pixels, mask: Mask) -> Pixels:
    """Blends gradients of the source into the target (Pérez et al. 2003)."""
    hard = ((mask > 0.5) * 255).astype(np.uint8)
    hard[[0, 1, -2, -1], :] = 0
    hard[:, [0, 1, -2, -1]] = 0
    x, y, width, height = cv2.boundingRect(hard)
    if width < 16 or height < 16:
        return source
    centre = (x + width // 2, y + height // 2)
    return cv2.seamlessClone(source, target, hard, centre, cv2.NORMAL_CLONE).astype(np.uint8)


def warp_to_landmarks(
    donor: Pixels, points: Points, goal: Points, shape: tuple[int, ...]
) -> tuple[Pixels, bool]:
    """Warps the donor so that its landmarks `points` fall on `goal`.

    A similarity transform, and with meshes a smooth displacement field on top.

    Returns:
        The warped image, and whether both sets of landmarks are meshes.
    """
    mesh = len(points) == len(goal) == 468
    if not mesh:
        points, goal = five_points(points), five_points(goal)
    matrix, _ = cv2.estimateAffinePartial2D(goal, points, method=cv2.LMEDS)
    height, width = shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    if matrix is None:
        matrix = np.float32([[1, 0, 0], [0, 1, 0]])
    matrix = matrix.astype(np.float32)
    to_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    to_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    if mesh:
        residual = points - (goal @ matrix[:, :2].T + matrix[:, 2])
        dx, dy = _smooth_field(goal, residual.astype(np.float32), (height, width))
        to_x, to_y = to_x + dx, to_y + dy
    warped = cv2.remap(donor, to_x, to_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return warped.astype(np.uint8), mesh


def _smooth_field(
    points: Points, displacement: Points, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Interpolates displacements at points by normalised convolution on a coarse grid."""
    cells = 32
    height, width = size
    total = np.zeros((cells, cells, 3), np.float32)
    column = np.clip(points[:, 0] * cells / width, 0, cells - 1).astype(int)
    row = np.clip(points[:, 1] * cells / height, 0, cells - 1).astype(int)
    ones = np.ones((len(points), 1), np.float32)
    np.add.at(total, (row, column), np.hstack([displacement, ones]))
    near = cv2.GaussianBlur(total, (0, 0), 2.0)
    field = near[:, :, :2] / (near[:, :, 2:] + 0.02)
    full = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return full[:, :, 0].astype(np.float32), full[:, :, 1].astype(np.float32)
