"""Packs generated from one photo: real portraits, blends of them, and unrelated images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.training.data.blending import self_blend
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.sources.pack import Example, Pack, write_pack
from model_handlers.pipeline.decode import Pixels


def jpeg_bytes(image: Pixels, quality: int) -> bytes:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), settings)[1].tobytes()


def build_examples(
    portraits: Sequence[Portrait], real_quality: int = 92, fake_quality: int = 92
) -> list[Example]:
    """Returns every portrait and a blend of it that names it as its original."""
    examples = []
    for number, portrait in enumerate(portraits):
        real = portrait.pixels()
        fake = self_blend(real, portrait, np.random.default_rng(number)).fake
        name, same = f"real/{number}", (portrait.box, portrait.points)
        data = jpeg_bytes(real, real_quality)
        examples.append(Example(name, data, False, portrait.identity, "", *same))
        data = jpeg_bytes(fake, fake_quality)
        examples.append(Example(f"fake/{number}", data, True, portrait.identity, name, *same))
    return examples


def build_pack(root: Path, examples: Sequence[Example], whole: bool = False) -> Pack:
    write_pack(examples, root, whole)
    return Pack(root)
