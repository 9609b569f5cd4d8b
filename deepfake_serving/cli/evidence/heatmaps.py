"""Heatmaps of a verdict's faces as files: the crop beside the crop under its map."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image


def write_heatmaps(documents: Iterator[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Writes a PNG per face, named after its image, and yields the documents unchanged.

    Images of the same name get a number. In an ensemble there is one per face and member.
    """
    folder.mkdir(parents=True, exist_ok=True)
    used: set[str] = set()
    for document in documents:
        stem = _unused(Path(document["file"]).stem, used)
        for number, face in enumerate(document.get("faces", []), 1):
            for suffix, heatmap in _heatmaps(face):
                draw_heatmap(heatmap).save(folder / f"{stem}-{number}{suffix}.png")
        yield document


def _heatmaps(face: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the face's own heatmap, and those of the members of an ensemble, with a suffix."""
    if face["heatmap"]:
        yield "", face["heatmap"]
    for model, score in face["models"].items():
        if "heatmap" in score:
            yield f"-{model}", score["heatmap"]


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


def _unused(stem: str, used: set[str]) -> str:
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name
