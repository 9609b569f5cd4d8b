"""Light and colour: exposure, contrast, casts, saturation, black and white, darkness."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.sources.augment.transform import Transform
from model_handlers.pipeline.decode import Pixels

_MONOCHROME_CHANCE = 0.08
_DARK_CHANCE = 0.07


def draw_light(rng: np.random.Generator) -> list[Transform]:
    """Draws up to three changes of light and colour, most of them small."""
    steps: list[Transform] = []
    if rng.random() < 0.4:
        steps.append(partial(_apply_curves, curves=_draw_curves(rng)))
    if rng.random() < _MONOCHROME_CHANCE:
        steps.append(partial(_scale_saturation, share=0.0))
    elif rng.random() < 0.3:
        steps.append(partial(_scale_saturation, share=float(rng.uniform(0.5, 1.5))))
    if rng.random() < 0.1:
        steps.append(partial(_shift_hue, shift=int(rng.integers(-8, 9))))
    return steps


def _draw_curves(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draws tone curves (256, 3): one gamma and contrast, and a colour cast per channel."""
    levels = np.arange(256)[:, None] / 255
    gamma, contrast = np.exp(rng.uniform(-0.35, 0.35)), rng.uniform(0.7, 1.3)
    bright = rng.uniform(0.3, 0.7) if rng.random() < _DARK_CHANCE / 0.4 else rng.uniform(0.9, 1.1)
    cast = rng.uniform(0.92, 1.08, 3) if rng.random() < 0.5 else np.ones(3)
    curves = ((levels**gamma - 0.5) * contrast + 0.5) * bright * cast
    rounded: npt.NDArray[np.uint8] = np.clip(curves * 255, 0, 255).astype(np.uint8)
    return rounded


def _apply_curves(image: Pixels, curves: npt.NDArray[np.uint8]) -> Pixels:
    return cv2.LUT(image, curves[None]).astype(np.uint8)


def _scale_saturation(image: Pixels, share: float) -> Pixels:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, share, grey, 1 - share, 0).astype(np.uint8)


def _shift_hue(image: Pixels, shift: int) -> Pixels:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[:, :, 0] = (hsv[:, :, 0].astype(np.int16) + shift) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8)
