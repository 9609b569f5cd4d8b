"""Predictions of a running model server: what its clients get, image bytes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import requests  # type: ignore[import-untyped, unused-ignore]

from deepfake_serving.training.data.face_regions import FaceRegion
from deepfake_serving.training.predict.predictor import Predictions
from model_handlers.pipeline.calibration import Floats

Box = Sequence[float]
_MIN_IOU = 0.3


class ServerPredictor:
    """Sends each region as PNG to `POST {url}/predictions/{model}`.

    The prediction for a region is that of the detected face whose box overlaps the region's box
    best, with an intersection over union of 0.3 or more; NaN without one. Logits and details are
    NaN, since servers return probabilities only.

    Attributes:
        model_info: `model` of the latest response.
    """

    def __init__(self, url: str, model: str = "detector", timeout_s: float = 60) -> None:
        self.url = f"{url.rstrip('/')}/predictions/{model}"
        self.timeout_s, self.session = timeout_s, requests.Session()
        self.model_info: dict[str, Any] | None = None

    def __call__(self, regions: Sequence[FaceRegion]) -> Predictions:
        """Returns the probabilities of the regions' faces.

        Raises:
            requests.RequestException: the server can't be reached or returned an error status.
        """
        probabilities = np.array([self._predict(region) for region in regions], dtype=np.float64)
        unknown = np.full(len(regions), np.nan)
        return Predictions(unknown, probabilities, unknown)

    def _predict(self, region: FaceRegion) -> float:
        _, png = cv2.imencode(".png", region.pixels[:, :, ::-1])
        response = self.session.post(
            self.url,
            data=png.tobytes(),
            headers={"Content-Type": "image/png"},
            timeout=self.timeout_s,
        )
        response.raise_for_status()
        verdict = response.json()
        self.model_info = verdict["model"]
        return _probability_at(verdict["faces"], region.box)


def _probability_at(faces: Sequence[dict[str, Any]], box: Box) -> float:
    if not faces:
        return float("nan")
    overlaps = iou([face["box"] for face in faces], box)
    best = int(overlaps.argmax())
    return float(faces[best]["fake_probability"]) if overlaps[best] >= _MIN_IOU else float("nan")


def iou(boxes: Sequence[Box], box: Box) -> Floats:
    """Returns the intersection over union (n,) of n boxes x1, y1, x2, y2 with `box`."""
    many, one = np.asarray(boxes, dtype=np.float64), np.asarray(box, dtype=np.float64)
    near, far = np.maximum(many[:, :2], one[:2]), np.minimum(many[:, 2:], one[2:])
    shared = np.prod(np.clip(far - near, 0, None), axis=1)
    areas = np.prod(many[:, 2:] - many[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), dtype=np.float64)
