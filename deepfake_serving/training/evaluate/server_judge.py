"""A running model server as the judge: what its callers get, from the picture's bytes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import requests  # type: ignore[import-untyped, unused-ignore]

from deepfake_serving.training.evaluate.levels import Floats
from deepfake_serving.training.judge import Judgement
from deepfake_serving.training.material import FaceRegion

Box = Sequence[float]
_LEAST_OVERLAP = 0.3


class ServerJudge:
    """Asks `POST {url}/predictions/{model}` for each region, sent as PNG.

    Of the faces that the server finds, the one whose box overlaps the region's best (intersection
    over union, 0.3 at least) is the answer; without one it is NaN. Logits and
    details are NaN: servers give probabilities only.

    `described` holds what the server said of its model in its latest answer.
    """

    def __init__(self, url: str, model: str = "detector", timeout_s: float = 60) -> None:
        self.url = f"{url.rstrip('/')}/predictions/{model}"
        self.timeout_s, self.session = timeout_s, requests.Session()
        self.described: dict[str, Any] | None = None

    def __call__(self, regions: Sequence[FaceRegion]) -> Judgement:
        """Probabilities of the regions' faces.

        Raises:
            requests.RequestException: the server is out of reach or refused a picture.
        """
        found = np.array([self._ask(region) for region in regions], dtype=np.float64)
        unknown = np.full(len(regions), np.nan)
        return Judgement(unknown, found, unknown)

    def _ask(self, region: FaceRegion) -> float:
        _, png = cv2.imencode(".png", region.pixels[:, :, ::-1])
        answer = self.session.post(
            self.url,
            data=png.tobytes(),
            headers={"Content-Type": "image/png"},
            timeout=self.timeout_s,
        )
        answer.raise_for_status()
        verdict = answer.json()
        self.described = verdict["model"]
        return _best(verdict["faces"], region.box)


def _best(faces: Sequence[dict[str, Any]], box: Box) -> float:
    if not faces:
        return float("nan")
    shared = overlaps([face["box"] for face in faces], box)
    place = int(shared.argmax())
    found = shared[place] >= _LEAST_OVERLAP
    return float(faces[place]["fake_probability"]) if found else float("nan")


def overlaps(boxes: Sequence[Box], box: Box) -> Floats:
    """Intersection over union (n,) of n boxes x1, y1, x2, y2 with `box`."""
    many, one = np.asarray(boxes, dtype=np.float64), np.asarray(box, dtype=np.float64)
    near, far = np.maximum(many[:, :2], one[:2]), np.minimum(many[:, 2:], one[2:])
    shared = np.prod(np.clip(far - near, 0, None), axis=1)
    areas = np.prod(many[:, 2:] - many[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), dtype=np.float64)
