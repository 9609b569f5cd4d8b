"""The stub gateway's video verdict: frames and images are real, faces and scores scripted."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from tests.browser.media import SHOTS_S, Pixels
from tests.browser.stub_evidence import draw_spot

Head = tuple[tuple[float, ...], float, float]

_HEADS: tuple[list[Head], ...] = (
    [((0.303, 0.30, 0.477, 0.70), 0.0375, 0.22)],
    [((0.163, 0.33, 0.336, 0.73), 0.0, 0.34), ((0.664, 0.27, 0.838, 0.675), -0.00625, 0.83)],
    [],
)
"""The faces of each shot: a box relative to the frame, its shift to the right per second, and the
mean of its scores."""


class Result:
    """The result for the video of tests/browser/media.py; `images` is its gallery."""

    def __init__(self, job_id: str, folder: Path, frames: list[tuple[float, Pixels]]) -> None:
        self.job_id, self.folder, self.frames = job_id, folder, frames
        self.images: dict[tuple[str, str], bytes] = {}
        self.explain = self.people = False

    def document(self, job: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
        self.explain = job["options"].get("explain") == "true"
        self.people = job["source"]["name"].startswith("people")
        starts = [sum(SHOTS_S[:n]) for n in range(len(SHOTS_S) + 1)]
        spans = zip(starts, starts[1:], _HEADS, strict=False)
        shots = [
            self._shot(number, begin, end, heads)
            for number, (begin, end, heads) in enumerate(spans)
        ]
        highest = max(s["fake_probability"] for s in shots if s["fake_probability"] is not None)
        height, width = self.frames[0][1].shape[:2]
        scored = [f for s in shots for t in s["tracks"] for f in t["frames"]]
        return {
            "verdict": verdict_of(highest),
            "fake_probability": highest,
            "uncertainty": 0.06,
            "aggregation": job["options"].get("aggregation", "shots"),
            "shots": shots,
            "frames_analyzed": len(self.frames),
            "frames_with_face": len({f["t_s"] for f in scored}),
            "fake_frame_ratio": sum(f["fake_probability"] > 0.6 for f in scored) / len(scored),
            "duration_s": starts[-1],
            "frame_rate": 24.0,
            "width": width,
            "height": height,
            "complete": not job["source"]["name"].startswith("cut"),
            "model": model,
            "warnings": [],
            "gallery": [],
            "timings_ms": {"decode": 412.0, "classify": 2310.0},
            "id": self.job_id,
        }

    def _shot(
        self,
        number: int,
        begin: float,
        end: float,
        heads: list[Head],
    ) -> dict[str, Any]:
        shot_frames = [(t, image) for t, image in self.frames if begin <= t < end]
        tracks = [
            self._track(f"{number}-{place}", head, shot_frames) for place, head in enumerate(heads)
        ]
        highest = max((t["fake_probability"] for t in tracks), default=None)
        strip = np.hstack(
            [image[::3, ::3] for _, image in shot_frames[:: max(len(shot_frames) // 4, 1)]]
        )
        return {
            "start_s": begin,
            "end_s": end,
            "verdict": "no_face" if highest is None else verdict_of(highest),
            "fake_probability": highest,
            "tracks": tracks,
            "strip": self._keep(f"strip-{number}.jpg", strip),
        }

    def _track(
        self,
        name: str,
        head: Head,
        frames: list[tuple[float, Pixels]],
    ) -> dict[str, Any]:
        relative, shift, p = head
        boxes = [_box(relative, shift * (t - frames[0][0]), image) for t, image in frames]
        scores = [p + 0.09 * math.sin(2.3 * t + 9 * p) for t, _ in frames]
        mean = sum(scores) / len(scores)
        crops = [_crop(image, box) for (_, image), box in zip(frames, boxes, strict=True)]
        order = sorted(range(len(scores)), key=scores.__getitem__)
        return {
            "id": name,
            "verdict": verdict_of(mean),
            "fake_probability": mean,
            "spread": float(np.std(scores)),
            "frames": [
                {"t_s": t, "box": box, "fake_probability": s}
                for (t, _), box, s in zip(frames, boxes, scores, strict=True)
            ],
            "keyframe": self._keep(f"key-{name}.jpg", crops[order[-1]]),
            "heatmaps": self._heatmaps(name, frames, boxes, order[-1], mean),
            "person": int(name[2]) + 1 if self.people else None,
            "median_frame": self._keep(f"median-{name}.jpg", crops[order[len(order) // 2]]),
        }

    def _heatmaps(
        self,
        name: str,
        frames: list[tuple[float, Pixels]],
        boxes: list[list[float]],
        index: int,
        score: float,
    ) -> dict[str, Any]:
        if not self.explain:
            return {}
        heatmap = draw_spot(crop_face(frames[index][1], boxes[index], CropSpec()), score, 0)
        links = {}
        for member, source, suffix in (("image", "crop", "jpg"), ("overlay", "overlay", "png")):
            image = f"heatmap-{name}.{suffix}"
            data = base64.b64decode(heatmap.pop(source).partition(",")[2])
            self.images[self.job_id, image] = data
            links[member] = f"/v1/jobs/{self.job_id}/gallery/{image}"
        return {"detector": heatmap | links}

    def _keep(self, name: str, image: Pixels) -> str:
        path = self.folder / f"{self.job_id}-{name}"
        Image.fromarray(np.ascontiguousarray(image)).save(path, quality=85)
        self.images[self.job_id, name] = path.read_bytes()
        return f"/v1/jobs/{self.job_id}/gallery/{name}"


def _box(relative: tuple[float, ...], shift: float, image: Pixels) -> list[float]:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = relative
    return [(x1 + shift) * width, y1 * height, (x2 + shift) * width, y2 * height]


def _crop(image: Pixels, box: list[float]) -> Pixels:
    x1, y1, x2, y2 = (round(v) for v in box)
    return image[y1 - 30 : y2 + 30, x1 - 40 : x2 + 40]


def verdict_of(probability: float) -> str:
    return "real" if probability < 0.4 else "suspicious" if probability <= 0.6 else "fake"
