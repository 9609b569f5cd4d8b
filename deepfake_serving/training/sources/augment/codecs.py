"""Random chains of lossy compression: up to three of JPEG, WebP and H.264."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from deepfake_serving.training.config.augmentation import AugmentationConfig
from deepfake_serving.training.data.codecs import h264, jpeg
from deepfake_serving.training.sources.augment.transform import Transform, rescale
from model_handlers.pipeline.decode import Pixels

_MAX_SIDE_PX = 480


def webp(image: Pixels, quality: int) -> Pixels:
    """Encodes as WebP at `quality` (1..100) and decodes."""
    _, encoded = cv2.imencode(".webp", image[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8)


def draw_codecs(config: AugmentationConfig, rng: np.random.Generator) -> list[Transform]:
    """Draws a chain; between two codecs images are often resized a little, as websites do."""
    chain: list[Transform] = []
    for number in range(int(rng.choice(4, p=config.codecs))):
        if number and rng.random() < 0.4:
            chain.append(rescale(float(rng.uniform(0.75, 1.2)), rng))
        chain.append(_codec(config, rng))
    return chain


def _codec(config: AugmentationConfig, rng: np.random.Generator) -> Transform:
    kind, (of_jpeg, of_webp, _) = rng.random(), config.codec_kinds
    if kind < of_jpeg:
        low, high = config.jpeg
        return partial(jpeg, quality=round(low + (high - low) * float(rng.random()) ** 0.6))
    if kind < of_jpeg + of_webp:
        return partial(webp, quality=int(rng.integers(*config.webp)))
    return partial(_video, crf=int(rng.integers(*config.crf)), lead=int(rng.integers(0, 3)))


def _video(image: Pixels, crf: int, lead: int) -> Pixels:
    """Compresses small images by H.264; returns large ones, which would be slow, unchanged."""
    if max(image.shape[:2]) > _MAX_SIDE_PX or min(image.shape[:2]) < 32:
        return image
    return h264(image, crf, lead)
