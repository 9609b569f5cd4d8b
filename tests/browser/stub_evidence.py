"""Scripted heatmaps and provenance of the stub gateway; the heatmaps are drawn as in service."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deepfake_serving.contracts.provenance import (
    ContentCredentials,
    CredentialAction,
    Provenance,
)
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.heatmaps.heatmap import build_heatmap

_CELLS = np.arange(7)
CREDENTIALS: dict[str, ContentCredentials] = {
    "swapped": ContentCredentials(
        "invalid",
        "Example Press",
        "Example camera 3",
        "2026-03-01T12:00:00+00:00",
        "Example editor 1.2",
        [
            CredentialAction("c2pa.created", "Example camera 3", "digitalCapture"),
            CredentialAction("c2pa.color_adjustments", "Example editor"),
            CredentialAction("com.example.retouched"),
        ],
        ["portrait.jpg"],
        ["assertion.dataHash.mismatch"],
    ),
    "unsure": ContentCredentials(
        "valid",
        "Example Images",
        None,
        None,
        "Example generator",
        [CredentialAction("c2pa.created", "Example generator", "trainedAlgorithmicMedia")],
    ),
}


def add_heatmaps(verdict: dict[str, Any], data: bytes) -> None:
    """Adds a map to each face, in an ensemble one of each member that has scored it."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    for number, face in enumerate(verdict["faces"]):
        crop = crop_face(pixels, face["box"], CropSpec())
        scored = [each for each in face["models"].values() if "fake_probability" in each]
        owners = [face] if len(face["models"]) == 1 else scored
        for place, owner in enumerate(owners):
            owner["heatmap"] = draw_spot(crop, owner["fake_probability"], number + 2 * place)


def draw_spot(crop: Pixels, probability: float, column: int) -> dict[str, Any]:
    """Draws a spot that raises high scores and lowers low ones."""
    distance = np.hypot(_CELLS[:, None] - 2, _CELLS[None, :] - 2 - column)
    logit = 4 * (probability - 0.5)
    grid = (0.3 * logit * np.exp(-(distance**2) / 2)).astype(np.float32)
    return dataclasses.asdict(build_heatmap(crop, grid, logit))


def copy_of(data: bytes) -> str:
    """Returns a copy of an image, half as large, as `preview` has it."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").reduce(2).save(stream, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def provenance_of(name: str, data: bytes) -> dict[str, Any]:
    """Returns the provenance of a file: by its name, credentials or none."""
    credentials = CREDENTIALS.get(Path(name).stem)
    signed = credentials is not None
    broken = credentials is not None and credentials.state == "invalid"
    return dataclasses.asdict(
        Provenance(
            hashlib.sha256(data).hexdigest(),
            credentials,
            software="Example editor" if signed else None,
            camera="Example camera 3" if broken else None,
            taken_at="2026:03:01 12:00:00" if broken else None,
            source_type="digitalCapture" if broken else None,
            contradictions=["invalid_credentials"] if broken else [],
        )
    )
