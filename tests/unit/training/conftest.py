"""Portraits and clips generated from one test image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.data.portraits import Points, Portrait
from model_handlers.pipeline.decode import Pixels

BOX = (177.0, 58.0, 270.0, 175.0)
FIVE = np.array([[204, 100], [246, 101], [226, 126], [206, 144], [241, 145]], np.float32)


def mesh(points: Points = FIVE) -> Points:
    """Returns 468 points over the face, in no anatomical order, enough for hulls."""
    rng = np.random.default_rng(7)
    angle, radius = rng.uniform(0, 2 * np.pi, 468), np.sqrt(rng.uniform(0, 1, 468))
    x1, y1, x2, y2 = BOX
    x = (x1 + x2) / 2 + radius * np.cos(angle) * (x2 - x1) / 2
    y = (y1 + y2) / 2 + radius * np.sin(angle) * (y2 - y1) / 2
    cloud = np.stack([x, y], axis=1).astype(np.float32)
    cloud[[33, 133]], cloud[[362, 263]] = points[0], points[1]
    cloud[1], cloud[61], cloud[291] = points[2], points[3], points[4]
    return cloud


@pytest.fixture(scope="session")
def portraits(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> list[Portrait]:
    """Writes eight images of the head with different size, light or side: eight "people"."""
    root = tmp_path_factory.mktemp("portraits")
    head = astronaut[:320, 60:400]
    created = []
    for number in range(8):
        scale = 0.8 + 0.1 * (number // 2)
        image = cv2.convertScaleAbs(head, alpha=0.7 + 0.06 * number, beta=4.0 * number)
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        points = (mesh() - np.array([60, 0], np.float32)) * np.float32(scale)
        x1, y1, x2, y2 = (v * scale for v in (BOX[0] - 60, BOX[1], BOX[2] - 60, BOX[3]))
        if number % 2:
            image = image[:, ::-1]
            width = image.shape[1]
            points[:, 0] = width - points[:, 0]
            x1, x2 = width - x2, width - x1
        path = root / f"{number}.png"
        cv2.imwrite(str(path), np.ascontiguousarray(image[:, :, ::-1]))
        created.append(Portrait(path, "made", f"person {number}", (x1, y1, x2, y2), points))
    return created


@pytest.fixture(scope="session")
def portrait(portraits: list[Portrait]) -> Portrait:
    return portraits[2]


def write_clip(path: Path, frames: list[Pixels], rate: int = 12) -> Path:
    """Writes an H.264 clip of equal-sized frames, cropped to even sides."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image[:height, :width]), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
