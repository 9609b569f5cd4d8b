"""Films of many shots, and a detector whose scores show how frames were batched."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels
from tests.support.videos import RATE

MODEL = {"name": "detector", "version": "1", "digest": "sha256:0", "trained": True}


async def detect(frames: list[Pixels]) -> list[DetectionResult]:
    """A stub whose scores depend on the whole batch, as those of faces that are followed do."""
    batch = zlib.crc32(b"".join(frame.tobytes() for frame in frames))
    scores = np.random.default_rng(batch).random((len(frames), 2))
    boxes = [[10, 10, 70, 90], [90, 20, 150, 90]]
    return [
        {
            "faces": [
                {"box": box, "detection_confidence": 0.995, "fake_probability": round(p, 6)}
                for box, p in zip(boxes, row, strict=True)
            ],
            "model": MODEL,
        }
        for row in scores.tolist()
    ]


def textures(lengths: list[int], seed: int = 0) -> list[Pixels]:
    """Returns moving textures of 160 x 120, each of so many frames."""
    random = np.random.default_rng(seed)
    frames = []
    for count in lengths:
        small = random.integers(0, 256, (6, 8, 3), np.uint8)
        large = cv2.resize(small, (160 + count, 120), interpolation=cv2.INTER_LINEAR)
        frames += [np.ascontiguousarray(large[:, i : i + 160]) for i in range(count)]
    return frames


LENGTHS = [30, 12, 7, 40, 5, 5, 5, 60, 25, 90, 14, 33, 20, 20, 9, 50, 3, 41, 70, 22, 18, 66]
SECONDS = sum(LENGTHS) / RATE
"""54 s."""
