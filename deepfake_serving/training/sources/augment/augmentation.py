"""The one augmentation that real and fake faces of all sources go through.

What an image goes through between camera and viewer tells nothing of its truth, but differs
between sources, so that a network learns it as if it did. Here it is drawn from one distribution
for both classes; for the two images of a pair it is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from deepfake_serving.training.data.codecs import jpeg
from deepfake_serving.training.sources.augment.codecs import draw_codecs
from deepfake_serving.training.sources.augment.light import draw_light
from deepfake_serving.training.sources.augment.transform import (
    Transform,
    beautify,
    blur,
    grain,
    reenlarge,
    rescale,
    sharpen,
)

_SMALLEST, _LARGEST = 64.0, 330.0
_ENLARGED = 1.15
_AS_IT_IS = 0.25


def draw_augmentation(
    face_px: float, rng: np.random.Generator, requality: tuple[int, int] | None = None
) -> list[Transform]:
    """Random transforms for an image whose face has a side of `face_px` pixels.

    Args:
        requality: JPEG qualities to start with, after a resize that breaks the old JPEG's grid.
    """
    steps: list[Transform] = []
    if requality:
        steps = [
            rescale(float(rng.uniform(0.8, 0.96)), rng),
            partial(jpeg, quality=int(rng.integers(*requality))),
        ]
    steps += draw_light(rng)
    steps += _sometimes(((0.08, beautify), (0.1, sharpen)), rng)
    steps.append(rescale(_factor(face_px, rng), rng))
    steps += _sometimes(((0.13, blur), (0.4, grain)), rng)
    if rng.random() < 0.12:
        steps.append(reenlarge(float(rng.uniform(0.33, 0.8)), rng))
    steps += draw_codecs(rng)
    return steps + _sometimes(((0.05, sharpen),), rng)


def _factor(face_px: float, rng: np.random.Generator) -> float:
    """Faces come out at 64 to 330 px, hardly enlarged; a quarter about as large as they were."""
    if rng.random() < _AS_IT_IS:
        return float(rng.uniform(0.9, 1.05))
    target = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
    return min(target / face_px, _ENLARGED)


def _sometimes(
    choices: tuple[tuple[float, Callable[[np.random.Generator], Transform]], ...],
    rng: np.random.Generator,
) -> list[Transform]:
    return [draw(rng) for chance, draw in choices if rng.random() < chance]
