"""Small operations on test images."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from model_handlers.pipeline.decode import Pixels


def doubled(pixels: Pixels) -> Pixels:
    """Returns the image at twice its width and height.

    Its faces are then so large that a crop of 224 pixels keeps all their detail.
    """
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def frozen(pixels: Pixels) -> Pixels:
    """Returns the image as read-only, so that no test modifies a shared image."""
    pixels.flags.writeable = False
    return pixels
