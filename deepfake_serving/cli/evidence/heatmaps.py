"""Heatmaps of a verdict's faces as files: the crop beside the crop under its map."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.packaging.replacing import write_whole


def write_heatmaps(
    documents: Iterator[dict[str, Any]], folder: Path, names: OutputNames
) -> Iterator[dict[str, Any]]:
    """Writes a PNG per face, named after its image, and yields the documents unchanged.

    In an ensemble there is one per face and member.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        heatmaps = {
            f"-{number}{suffix}.png": heatmap
            for number, face in enumerate(document.get("faces", []), 1)
            for suffix, heatmap in _heatmaps(face)
        }
        paths = names.choose(folder, Path(document["file"]).stem, list(heatmaps))
        for path, heatmap in zip(paths, heatmaps.values(), strict=True):
            write_whole(path, heatmap_png(heatmap))
        yield document


def _heatmaps(face: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the face's own heatmap, and those of the members of an ensemble, with a suffix."""
    if face["heatmap"]:
        yield "", face["heatmap"]
    for model, score in face["models"].items():
        if "heatmap" in score:
            yield f"-{model}", score["heatmap"]


def heatmap_png(heatmap: dict[str, Any]) -> bytes:
    """Returns a PNG of `draw_heatmap`."""
    buffer = io.BytesIO()
    draw_heatmap(heatmap).save(buffer, "PNG")
    return buffer.getvalue()


def draw_heatmap(heatmap: dict[str, Any]) -> Image.Image:
    """Draws the crop, and beside it the crop under its map."""
    crop, overlay = (_image(heatmap[name]) for name in ("crop", "overlay"))
    size = crop.width
    both = Image.new("RGB", (2 * size, size))
    both.paste(crop, (0, 0))
    both.paste(Image.alpha_composite(crop, overlay), (size, 0))
    return both


def _image(uri: str) -> Image.Image:
    data = base64.b64decode(uri.partition(",")[2])
    return Image.open(io.BytesIO(data)).convert("RGBA")
