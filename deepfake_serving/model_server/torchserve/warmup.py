"""The prediction that proves a model: a bundled image, whose answer is known to have a face.

The image is NASA's portrait of Eileen Collins, in the public domain.
"""

from __future__ import annotations

import math
from typing import Any

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.model_server.models import ServedModel

WARMUP_JPEG = WARMUP_IMAGE.read_bytes()
_FACE = (79.0, 60.0, 169.0, 173.0)
"""Where the face is, in pixels."""


class WarmupCheckFailed(Exception):
    """A model is up and answers, but not what anybody in their right mind would."""


def check_answer(model: ServedModel, answer: dict[str, Any]) -> None:
    """Raises `WarmupCheckFailed` unless the answer about `WARMUP_JPEG` is one that makes sense."""
    try:
        _check(model, answer)
    except (KeyError, IndexError, TypeError) as error:
        raise WarmupCheckFailed(
            f"{model.name}: not an answer of a {model.task}: {error!r}"
        ) from error


def _check(model: ServedModel, answer: dict[str, Any]) -> None:
    if model.task in ("detector", "faces"):
        boxes = [face["box"] for face in answer["faces"]]
        if not any(_overlap(box, _FACE) > 0.5 for box in boxes):
            raise WarmupCheckFailed(f"{model.name}: found faces at {boxes}, not at {_FACE}")
    if model.task in ("detector", "classifier"):
        probability = answer["fake_probability"]
        if not (isinstance(probability, float) and math.isfinite(probability)):
            raise WarmupCheckFailed(f"{model.name}: fake_probability is {probability!r}")
        if not 0 <= probability <= 1:
            raise WarmupCheckFailed(f"{model.name}: fake_probability is {probability}")


def _overlap(a: Any, b: Any) -> float:
    """Intersection over union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(width * height / max(area - width * height, 1e-9))
