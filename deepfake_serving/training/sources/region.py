"""Images as a pack stores them: small ones byte for byte, large ones cropped around the face."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_serving.training.data.portraits import Points
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels

Box = tuple[float, float, float, float]
MAX_SIDE_PX = 320
"""Images up to this side, in pixels, are stored unchanged."""

_MAX_FACE_PX = 256.0
_REGION = 2.0
_QUALITY = 97


def crop_region(image: Pixels, box: Box, points: Points) -> tuple[Pixels, Box, Points]:
    """Crops to twice the face, clipped to the image, and reduces the face to at most 256 px.

    Returns:
        The crop, and box and landmarks in its coordinates.
    """
    x1, y1, x2, y2 = box
    half = _REGION * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    region = np.ascontiguousarray(image[top : int(y + half), left : int(x + half)])
    small = shrink(region, min(1.0, _MAX_FACE_PX / max(x2 - x1, y2 - y1)))
    scale = small.shape[1] / region.shape[1]
    moved_box = ((x1 - left) * scale, (y1 - top) * scale, (x2 - left) * scale, (y2 - top) * scale)
    shift = np.array([left, top], np.float32)
    return small, moved_box, ((points - shift) * scale).astype(np.float32)


def encode(image: Pixels) -> bytes:
    """Encodes as JPEG of high quality, without chroma subsampling."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], settings)
    return data.tobytes()
