"""Verdicts of images with boxes and landmarks relative to the image's size."""

from __future__ import annotations

from typing import Any, Literal

import orjson

BoxUnit = Literal["pixels", "relative"]
_DIGITS = 6


def convert_boxes(verdict: bytes, unit: BoxUnit) -> bytes:
    """Converts the JSON of an `ImageVerdict`: in relative units, x and y are from 0 to 1."""
    if unit == "pixels":
        return verdict
    document: dict[str, Any] = orjson.loads(verdict)
    size = (document.get("width", 1), document.get("height", 1))
    for face in document.get("faces", ()):
        face["box"] = _relative(face["box"], size)
        face["landmarks"] = [_relative(point, size) for point in face["landmarks"]]
    return orjson.dumps(document)


def _relative(values: list[float], size: tuple[int, int]) -> list[float]:
    """Divides x by the width and y by the height; values are x, y in turns."""
    return [round(value / size[n % 2], _DIGITS) for n, value in enumerate(values)]
