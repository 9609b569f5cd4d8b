"""Draws the faces of a verdict into a copy of its image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.contracts.verdict import FaceVerdict, ImageVerdict
from deepfake_serving.packaging.replacing import write_whole
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from model_handlers.pipeline.tasks import Outcome

_COLOURS = {"real": (60, 170, 80), "suspicious": (235, 170, 40), "fake": (220, 60, 60)}
_INK = (255, 255, 255)


class Annotator:
    """Writes a PNG per image into a folder."""

    def __init__(self, folder: Path, names: OutputNames) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._names = folder, names

    def draw(self, path: Path, data: bytes, outcome: Outcome, spec: DecodeSpec) -> Path | None:
        """Draws a verdict and returns the copy's path; a problem has no copy."""
        if not isinstance(outcome, ImageVerdict):
            return None
        [target] = self._names.choose(self._folder, path.stem, [".png"])
        image = annotated(decode(data, spec), outcome)
        encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        write_whole(target, encoded.tobytes())
        return target


def annotated(image: Pixels, verdict: ImageVerdict) -> Pixels:
    """Returns a copy of `image` with each face's box, landmarks and score.

    A large photo is decoded at half its size, but its boxes are in its own pixels.
    """
    canvas = image.copy()
    unit = max(1, round(max(image.shape[:2]) / 400))
    scale = image.shape[1] / verdict.width
    for face in verdict.faces:
        box = [side * scale for side in face.box]
        points = [[x * scale, y * scale] for x, y in face.landmarks]
        _draw_face(canvas, replace(face, box=box, landmarks=points), unit)
    return canvas


def _draw_face(canvas: Pixels, face: FaceVerdict, unit: int) -> None:
    colour = _COLOURS[face.verdict]
    x1, y1, x2, y2 = (round(side) for side in face.box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 2 * unit, cv2.LINE_AA)
    for x, y in face.landmarks:
        cv2.circle(canvas, (round(x), round(y)), 2 * unit, colour, cv2.FILLED, cv2.LINE_AA)
    label = f"{face.verdict} {face.fake_probability:.2f}"
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * unit
    (width, height), below = cv2.getTextSize(label, font, scale, unit)
    left = int(np.clip(x1, 0, max(0, canvas.shape[1] - width - 4 * unit)))
    top = y1 - height - below - 4 * unit
    top = top if top >= 0 else min(y2, canvas.shape[0] - height - below - 4 * unit)
    corner = (left + width + 4 * unit, top + height + below + 4 * unit)
    cv2.rectangle(canvas, (left, top), corner, colour, cv2.FILLED)
    base = (left + 2 * unit, top + height + 2 * unit)
    cv2.putText(canvas, label, base, font, scale, _INK, unit, cv2.LINE_AA)
