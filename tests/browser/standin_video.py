"""The stand-in's verdict of a video: frames and pictures are real, faces and scores are made up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.browser.media import SHOTS_S, Picture

Head = tuple[tuple[float, ...], float, float]

_HEADS: tuple[list[Head], ...] = (
    [((0.303, 0.30, 0.477, 0.70), 0.0375, 0.22)],
    [((0.163, 0.33, 0.336, 0.73), 0.0, 0.34), ((0.664, 0.27, 0.838, 0.675), -0.00625, 0.83)],
    [],
)
"""Of each shot its faces: the box as shares of the frame, its way to the right in a second, and a
score to waver about."""


class Result:
    """What is said of the frames of tests/browser/media.py's video; `pictures` is its gallery."""

    def __init__(self, job_id: str, folder: Path, frames: list[tuple[float, Picture]]) -> None:
        self.job_id, self.folder, self.frames = job_id, folder, frames
        self.pictures: dict[tuple[str, str], bytes] = {}

    def document(self, job: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
        starts = [sum(SHOTS_S[:n]) for n in range(len(SHOTS_S) + 1)]
        spans = zip(starts, starts[1:], _HEADS, strict=False)
        shots = [
            self._shot(number, begin, end, heads)
            for number, (begin, end, heads) in enumerate(spans)
        ]
        highest = max(s["fake_probability"] for s in shots if s["fake_probability"] is not None)
        height, width = self.frames[0][1].shape[:2]
        judged = [f for s in shots for t in s["tracks"] for f in t["frames"]]
        return {
            "verdict": word(highest),
            "fake_probability": highest,
            "uncertainty": 0.06,
            "aggregation": job["options"].get("aggregation", "shots"),
            "shots": shots,
            "frames_analyzed": len(self.frames),
            "frames_with_face": len({f["t_s"] for f in judged}),
            "fake_frame_ratio": sum(f["fake_probability"] > 0.6 for f in judged) / len(judged),
            "duration_s": starts[-1],
            "frame_rate": 24.0,
            "width": width,
            "height": height,
            "complete": not job["source"]["name"].startswith("cut"),
            "model": model,
            "warnings": [],
            "gallery": [],
            "timings_ms": {"decode": 412.0, "judge": 2310.0},
            "id": self.job_id,
        }

    def _shot(
        self,
        number: int,
        begin: float,
        end: float,
        heads: list[Head],
    ) -> dict[str, Any]:
        mine = [(t, picture) for t, picture in self.frames if begin <= t < end]
        tracks = [self._track(f"{number}-{place}", head, mine) for place, head in enumerate(heads)]
        highest = max((t["fake_probability"] for t in tracks), default=None)
        strip = np.hstack([picture[::3, ::3] for _, picture in mine[:: max(len(mine) // 4, 1)]])
        return {
            "start_s": begin,
            "end_s": end,
            "verdict": "no_face" if highest is None else word(highest),
            "fake_probability": highest,
            "tracks": tracks,
            "strip": self._keep(f"strip-{number}.jpg", strip),
        }

    def _track(
        self,
        name: str,
        head: Head,
        frames: list[tuple[float, Picture]],
    ) -> dict[str, Any]:
        share, way, p = head
        boxes = [_box(share, way * (t - frames[0][0]), picture) for t, picture in frames]
        scores = [p + 0.09 * math.sin(2.3 * t + 9 * p) for t, _ in frames]
        mean = sum(scores) / len(scores)
        crops = [_crop(picture, box) for (_, picture), box in zip(frames, boxes, strict=True)]
        order = sorted(range(len(scores)), key=scores.__getitem__)
        return {
            "id": name,
            "verdict": word(mean),
            "fake_probability": mean,
            "spread": float(np.std(scores)),
            "frames": [
                {"t_s": t, "box": box, "fake_probability": s}
                for (t, _), box, s in zip(frames, boxes, scores, strict=True)
            ],
            "keyframe": self._keep(f"key-{name}.jpg", crops[order[-1]]),
            "median_frame": self._keep(f"median-{name}.jpg", crops[order[len(order) // 2]]),
        }

    def _keep(self, name: str, picture: Picture) -> str:
        path = self.folder / f"{self.job_id}-{name}"
        Image.fromarray(np.ascontiguousarray(picture)).save(path, quality=85)
        self.pictures[self.job_id, name] = path.read_bytes()
        return f"/v1/jobs/{self.job_id}/gallery/{name}"


def _box(share: tuple[float, ...], way: float, picture: Picture) -> list[float]:
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = share
    return [(x1 + way) * width, y1 * height, (x2 + way) * width, y2 * height]


def _crop(picture: Picture, box: list[float]) -> Picture:
    x1, y1, x2, y2 = (round(v) for v in box)
    return picture[y1 - 30 : y2 + 30, x1 - 40 : x2 + 40]


def word(probability: float) -> str:
    return "real" if probability < 0.4 else "suspicious" if probability <= 0.6 else "fake"
