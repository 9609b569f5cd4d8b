"""Heatmaps of a track's keyframe: images of the gallery, and the numbers behind them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.contracts.video import KeyframeHeatmap

FRAMES_PER_REQUEST = 4
"""Frames whose heatmaps fit into one response, however many faces they have. Faces are sought in
every fourth frame and followed in between, so smaller batches of four have the same scores."""
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


def heatmaps_of(face: dict[str, Any], model: str) -> dict[str, dict[str, Any]]:
    """Returns the heatmaps of a face of a verdict by model: its own, or those of members.

    Args:
        model: that of the verdict.
    """
    if face.get("heatmap"):
        return {model: face["heatmap"]}
    scores = face.get("models", {}).items()
    return {m: s["heatmap"] for m, s in scores if isinstance(s, dict) and s.get("heatmap")}


def draw_keyframe(
    track_id: str, heatmaps: Mapping[str, dict[str, Any]], images: dict[str, bytes]
) -> dict[str, KeyframeHeatmap]:
    """Adds an image for each heatmap to `images`: the crop of the face under its map, a JPEG.

    Returns:
        The heatmaps by model.
    """
    drawn = {}
    for number, (model, heatmap) in enumerate(heatmaps.items(), start=1):
        name = f"track-{track_id}-heatmap-{number}.jpg"
        images[name] = _under_map(heatmap["crop"], heatmap["overlay"])
        drawn[model] = KeyframeHeatmap(name, heatmap["grid"], heatmap["offset"], heatmap["scale"])
    return drawn


def _under_map(crop: str, overlay: str) -> bytes:
    colours, layer = _pixels(crop)[:, :, :3], _pixels(overlay)
    opacity = layer[:, :, 3:] / 255
    mixed = np.rint(layer[:, :, :3] * opacity + colours * (1 - opacity))
    _, jpeg = cv2.imencode(".jpg", mixed.astype(np.uint8), _QUALITY)
    return jpeg.tobytes()


def _pixels(uri: str) -> npt.NDArray[np.float32]:
    """Decodes a data URI to BGR or BGRA."""
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return np.asarray(pixels, np.float32)
