"""Heatmaps of the faces of a verdict."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from deepfake_serving.contracts.verdict import NO_HEATMAPS, Heatmap, ImageVerdict
from model_handlers.pipeline.classifier import Scores
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.heatmaps.overlay import Grid, draw_overlay, draw_shares

_MIN_SCALE = 0.1
"""Contributions below this, in log odds, are drawn faintly even if no other is higher."""
_QUALITY = 85
_DIGITS, _SHARE_DIGITS = 4, 6


def add_heatmaps(
    verdicts: Sequence[ImageVerdict],
    requested: Sequence[bool],
    crops: Sequence[Pixels],
    scores: Scores,
) -> list[ImageVerdict]:
    """Adds a heatmap to each face of the images for which they are requested.

    Args:
        crops: of all faces, in the order of the verdicts; also those of `scores`.

    Returns:
        The verdicts. Those of a network without maps have a warning instead.
    """
    explained, start = [], 0
    for verdict, request in zip(verdicts, requested, strict=True):
        numbers = range(start, start + len(verdict.faces))
        explained.append(_explain(verdict, numbers, crops, scores) if request else verdict)
        start += len(verdict.faces)
    return explained


def _explain(
    verdict: ImageVerdict, numbers: Sequence[int], crops: Sequence[Pixels], scores: Scores
) -> ImageVerdict:
    if not verdict.faces:
        return verdict
    if scores.maps is None:
        return replace(verdict, warnings=[*verdict.warnings, NO_HEATMAPS])
    faces = [
        replace(face, heatmap=_heatmap(crops[n], scores, n))
        for face, n in zip(verdict.faces, numbers, strict=True)
    ]
    return replace(verdict, faces=faces)


def build_heatmap(crop: Pixels, contributions: Grid, logit: float) -> Heatmap:
    """Builds the heatmap of one face from a class activation map.

    Args:
        crop: uint8 (size, size, 3).
        contributions: (rows, columns), in log odds.
        logit: before calibration; what it exceeds the sum of the map by is the offset.
    """
    grid = _rounded(contributions, _DIGITS)
    scale = max(float(np.abs(contributions).max()), _MIN_SCALE)
    return Heatmap(
        grid=grid,
        offset=round(logit - sum(map(sum, grid)), _DIGITS),
        scale=round(scale, _DIGITS),
        overlay=_data_uri("image/png", draw_overlay(contributions, scale, len(crop))),
        crop=_jpeg(crop),
    )


def build_rollout(crop: Pixels, shares: Grid) -> Heatmap:
    """Builds the heatmap of one face from an attention rollout.

    Args:
        crop: uint8 (size, size, 3).
        shares: (rows, columns); what they lack to one is the class token's.
    """
    grid = _rounded(shares, _SHARE_DIGITS)
    return Heatmap(
        grid=grid,
        offset=round(1 - sum(map(sum, grid)), _SHARE_DIGITS),
        scale=round(float(shares.max()), _SHARE_DIGITS),
        overlay=_data_uri("image/png", draw_shares(shares, len(crop))),
        crop=_jpeg(crop),
        method="attention_rollout",
    )


def _heatmap(crop: Pixels, scores: Scores, number: int) -> Heatmap:
    assert scores.maps is not None
    if scores.method == "attention_rollout":
        return build_rollout(crop, scores.maps[number])
    return build_heatmap(crop, scores.maps[number], float(scores.logits[number]))


def _rounded(grid: Grid, digits: int) -> list[list[float]]:
    return [[round(float(value), digits) for value in row] for row in grid]


def _jpeg(crop: Pixels) -> str:
    _, jpeg = cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return _data_uri("image/jpeg", jpeg.tobytes())


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
