"""Heatmaps of a track's keyframe: images of the gallery, and the numbers behind them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from deepfake_serving.contracts.video import KeyframeHeatmap

FRAMES_PER_REQUEST = 4
"""Frames whose heatmaps fit into one response, however many faces they have. Faces are sought in
every fourth frame and followed in between, so smaller batches of four have the same scores."""
_NUMBERS = ("grid", "offset", "scale", "method")


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
    """Adds two images of each heatmap to `images`: the crop, a JPEG, and its map, a PNG.

    Returns:
        The heatmaps by model.
    """
    drawn = {}
    for number, (model, heatmap) in enumerate(heatmaps.items(), start=1):
        name = f"track-{track_id}-heatmap-{number}"
        crop, overlay = f"{name}.jpg", f"{name}.png"
        images |= {crop: _content(heatmap["crop"]), overlay: _content(heatmap["overlay"])}
        numbers = {key: heatmap[key] for key in _NUMBERS if key in heatmap}
        drawn[model] = KeyframeHeatmap(crop, overlay=overlay, **numbers)
    return drawn


def _content(uri: str) -> bytes:
    """Returns the content of a data URI."""
    return base64.b64decode(uri.partition(",")[2])
