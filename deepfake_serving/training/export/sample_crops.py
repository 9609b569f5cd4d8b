"""Sample crops that an export is checked on: a portrait with variations, and those of a folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.training.data.images import check_folder, read_image
from deepfake_serving.training.data.portraits import IMAGE_SUFFIXES
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face, fit_crop
from model_handlers.pipeline.decode import Pixels


def sample_crops(
    spec: CropSpec, count: int = 32, seed: int = 0, folder: Path | None = None
) -> list[Pixels]:
    """Returns uint8 (size, size, 3) crops: `count` variations of a portrait, then `folder`'s.

    Args:
        folder: face crops; each is resized to the network's size.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: the folder has no image.
    """
    rng = np.random.default_rng(seed)
    portrait = read_image(WARMUP_IMAGE)
    crops = [_vary(portrait, spec, rng) for _ in range(count)]
    if folder is None:
        return crops
    check_folder(folder)
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: no image")
    return crops + [fit_crop(read_image(p), spec) for p in paths]


def _vary(portrait: Pixels, spec: CropSpec, rng: np.random.Generator) -> Pixels:
    """Varies position, scale, light, noise and compression, and mirrors half of the crops."""
    height, width = portrait.shape[:2]
    side = rng.uniform(0.3, 0.9) * min(height, width)
    x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
    crop = crop_face(portrait, (x, y, x + side, y + side), spec).astype(np.float32)
    noise = rng.normal(0, rng.uniform(0, 8), crop.shape)
    pixels = np.clip(crop * rng.uniform(0.5, 1.3, 3) + noise, 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 100))]
    encoded = cv2.imencode(".jpg", pixels, quality)[1]
    pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels)
