"""What light and lens do before a sensor sees it: haze, side light, shallow focus, motion.

Real faces have all of it, and all of it makes the face unlike its surroundings without anybody
having touched it. Drawn once and applied to both pictures of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels

Field = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene. 0 switches a step off; angles in radians; lengths in pixels.

    `focus` is x, y and radius of what stays sharp when the rest is out of focus.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    light: float = 0.0
    light_angle: float = 0.0
    haze: float = 0.0
    haze_angle: float = 0.0
    haze_tint: tuple[float, float, float] = (230.0, 230.0, 230.0)
    defocus_sigma: float = 0.0
    focus: tuple[float, float, float] = (0.0, 0.0, 1.0)
    motion_px: int = 0
    motion_angle: float = 0.0

    def apply(self, picture: Pixels) -> Pixels:
        """uint8 (h, w, 3) → uint8 of the same size."""
        out = picture.astype(np.float32)
        if self.defocus_sigma:
            out = self._defocused(out)
        if self.gains != (1.0, 1.0, 1.0):
            out = out * np.array(self.gains, np.float32)
        if self.light:
            ramp = _ramp(out.shape, self.light_angle)[:, :, None]
            out = out * (1 + self.light * (ramp - 0.5))
        if self.haze:
            share = self.haze * (0.4 + 0.6 * _ramp(out.shape, self.haze_angle))[:, :, None]
            out = out * (1 - share) + np.array(self.haze_tint, np.float32) * share
        if self.motion_px > 1:
            out = cv2.filter2D(out, -1, _line(self.motion_px, self.motion_angle)).astype(np.float32)
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)

    def _defocused(self, picture: Field) -> Field:
        """Sharp within the focus, fully soft at twice its radius."""
        x, y, radius = self.focus
        height, width = picture.shape[:2]
        row, column = np.ogrid[:height, :width]
        distance = np.hypot(column - x, row - y) / radius
        share = np.clip(distance - 1, 0, 1).astype(np.float32)[:, :, None]
        soft = cv2.GaussianBlur(picture, (0, 0), self.defocus_sigma)
        mixed: Field = picture * (1 - share) + soft * share
        return mixed


def draw_scene(box: tuple[float, float, float, float], rng: np.random.Generator) -> Scene:
    """A random scene around a face; four in ten leave the picture as it is but for its colours."""
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1)

    def maybe(chance: float, low: float, high: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < chance else 0.0

    white = rng.uniform(0.88, 1.12, 3) if rng.random() < 0.4 else np.ones(3)
    tint = rng.uniform(150, 255) + rng.uniform(-20, 20, 3)
    return Scene(
        gains=(float(white[0]), float(white[1]), float(white[2])),
        light=maybe(0.25, -1.0, 1.0),
        light_angle=float(rng.uniform(0, 2 * np.pi)),
        haze=maybe(0.15, 0.1, 0.6),
        haze_angle=float(rng.uniform(0, 2 * np.pi)),
        haze_tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        defocus_sigma=maybe(0.2, 0.01, 0.05) * side,
        focus=(
            (x1 + x2) / 2,
            (y1 + y2) / 2,
            float(rng.uniform(0.4, 0.8)) * side,
        ),
        motion_px=round(maybe(0.12, 0.01, 0.05) * side),
        motion_angle=float(rng.uniform(0, np.pi)),
    )


def _ramp(shape: tuple[int, ...], angle: float) -> Field:
    """0 to 1 across the picture in the direction of `angle`."""
    height, width = shape[:2]
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    ramp: Field = (0.5 + (x * np.cos(angle) + y * np.sin(angle)) / 1.42).astype(np.float32)
    return ramp


def _line(length: int, angle: float) -> Field:
    """A line of `length` pixels as a convolution kernel of sum 1."""
    side = length | 1
    kernel = np.zeros((side, side), np.float32)
    half = (side - 1) / 2
    dx, dy = half * np.cos(angle), half * np.sin(angle)
    first, last = (round(half - dx), round(half - dy)), (round(half + dx), round(half + dy))
    cv2.line(kernel, first, last, (1.0,))
    return kernel / kernel.sum()
