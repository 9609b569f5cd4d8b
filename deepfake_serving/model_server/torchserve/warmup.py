"""The warm-up check: a prediction on a bundled image, which shows one face at a known position.

The image is NASA's portrait of Eileen Collins, in the public domain.
"""

from __future__ import annotations

import math
from typing import Any

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.model_server.models import ServedModel

WARMUP_JPEG = WARMUP_IMAGE.read_bytes()
_FACE = (79.0, 60.0, 169.0, 173.0)
"""The face's box in pixels."""


class WarmupCheckFailed(Exception):
    """A model returned an implausible result for the warm-up image."""


def check_result(model: ServedModel, result: dict[str, Any]) -> None:
    """Raises `WarmupCheckFailed` unless the result for `WARMUP_JPEG` is plausible."""
    try:
        _check(model, result)
    except (KeyError, IndexError, TypeError) as error:
        raise WarmupCheckFailed(
            f"{model.name}: not a result of a {model.task}: {error!r}"
        ) from error


def _check(model: ServedModel, result: dict[str, Any]) -> None:
    if model.task in ("detector", "faces"):
        boxes = [face["box"] for face in result["faces"]]
        if not any(_overlap(box, _FACE) > 0.5 for box in boxes):
            raise WarmupCheckFailed(f"{model.name}: found faces at {boxes}, not at {_FACE}")
    if model.task in ("detector", "classifier"):
        probability = result["fake_probability"]
        if not (isinstance(probability, float) and math.isfinite(probability)):
            raise WarmupCheckFailed(f"{model.name}: fake_probability is {probability!r}")
        if not 0 <= probability <= 1:
            raise WarmupCheckFailed(f"{model.name}: fake_probability is {probability}")


def _overlap(a: Any, b: Any) -> float:
    """Returns the intersection over union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(width * height / max(area - width * height, 1e-9))
