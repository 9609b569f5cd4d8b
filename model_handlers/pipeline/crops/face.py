"""The crop of a face, as the manifest describes it."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import fit_crop, upright_crop
from model_handlers.pipeline.crops.aligned import aligned_crop
from model_handlers.pipeline.crops.boxed import boxed_crop, fit_box
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face


def cut_face(image: Pixels, face: Face, spec: CropSpec) -> Pixels:
    """Cuts a face from an image.

    Args:
        image: uint8 (height, width, 3).

    Returns:
        uint8 (size, size, 3).
    """
    if spec.align == "landmarks":
        return aligned_crop(image, np.array(face.landmarks), spec)
    if spec.shape != "square":
        return boxed_crop(image, face.box, spec)
    return upright_crop(image, face.box, face.roll, spec)


def fit_face(crop: Pixels, spec: CropSpec) -> Pixels:
    """Resizes a client's crop of any size to the network's input size (size, size, 3)."""
    return fit_crop(crop, spec) if spec.shape == "square" else fit_box(crop, spec)


def png_data_uri(crop: Pixels) -> str:
    """Returns a crop as a `data:` URI (RFC 2397) of a PNG."""
    _, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")
