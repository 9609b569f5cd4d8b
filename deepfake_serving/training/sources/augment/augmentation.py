"""The augmentation pipeline of real and fake faces of all sources.

Processing between camera and viewer is no evidence for or against a fake, but it differs between
sources, so a network would learn it as a shortcut. Here it is drawn from one distribution for both
classes, and only once for the two images of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from deepfake_serving.training.config.augmentation import AugmentationConfig
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

_MAX_SCALE = 1.15
_KEEP_SIZE_CHANCE = 0.25


def draw_augmentation(
    face_px: float,
    config: AugmentationConfig,
    rng: np.random.Generator,
    requality: tuple[int, int] | None = None,
) -> list[Transform]:
    """Draws random transforms for an image whose face has a side of `face_px` pixels.

    Args:
        requality: JPEG qualities of a first compression, after a resize that breaks the block grid
            of the original file.
    """
    steps: list[Transform] = []
    if requality:
        steps = [
            rescale(float(rng.uniform(0.8, 0.96)), rng),
            partial(jpeg, quality=int(rng.integers(*requality))),
        ]
    steps += draw_light(rng)
    steps += _sometimes(((config.beautify, beautify), (config.sharpen, sharpen)), rng)
    steps.append(rescale(_scale(face_px, config.faces_px, rng), rng))
    steps += _sometimes(((config.blur, blur), (config.grain, grain)), rng)
    if rng.random() < config.reenlarge:
        steps.append(reenlarge(float(rng.uniform(0.33, 0.8)), rng))
    steps += draw_codecs(config, rng)
    return steps + _sometimes(((config.sharpen / 2, sharpen),), rng)


def _scale(face_px: float, sides: tuple[float, float], rng: np.random.Generator) -> float:
    """Returns a scale that gives faces within `sides`; a quarter keep about their size."""
    if rng.random() < _KEEP_SIZE_CHANCE:
        return float(rng.uniform(0.9, 1.05))
    target = float(np.exp(rng.uniform(*np.log(sides))))
    return min(target / face_px, _MAX_SCALE)


def _sometimes(
    choices: tuple[tuple[float, Callable[[np.random.Generator], Transform]], ...],
    rng: np.random.Generator,
) -> list[Transform]:
    return [draw(rng) for chance, draw in choices if rng.random() < chance]
