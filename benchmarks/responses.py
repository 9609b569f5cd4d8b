"""CPU time of building the gateway's responses, in process.

    python -m benchmarks.responses

Each ratio compares, in turns, a parse and serialization of the same JSON as plain dictionaries
(orjson) with the gateway's own code, which inserts stored JSON. A job's result that is parsed falls
to 1 or below, a batch whose verdicts are validated to 0.2. So the goals leave room for noise, and
`benchmarks.goals --check` compares with them instead of a baseline.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import orjson

from benchmarks.report.goal import Goal, table
from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.verdict import FaceVerdict, ImageVerdict, ModelRef
from deepfake_serving.contracts.video import Shot, Track, TrackFrame, VideoVerdict
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.routes.images import batch_item
from deepfake_serving.gateway.http.schemas import BatchDocument
from deepfake_serving.gateway.jobs.document import job_document, raw_result
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.serialization import to_json

FRAMES = 6400
_FRAMES_PER_SHOT = 64
_BATCH = 32
_MODEL = ModelRef("detector", "1.0", "sha256:" + "0" * 64, True)
_BOX = [179.7, 59.5, 269.1, 174.8]


def image_verdict() -> bytes:
    """Returns the verdict of an image with one face."""
    landmarks = [[204.6, 100.6], [247.5, 104.0], [224.5, 129.4], [201.7, 139.4], [245.1, 143.1]]
    face = FaceVerdict(
        _BOX, landmarks, 1.0, 0.27185, "real", {"detector": {"fake_probability": 0.27185}}
    )
    timings = {"decode": 1.3, "detect": 6.7, "crop": 0.1, "classify": 6.8}
    return to_json(ImageVerdict("real", 0.27185, [face], 512, 512, _MODEL, timings, "0" * 32))


def video_verdict(frames: int) -> bytes:
    """Returns the verdict of a video, with a track of 64 frames in each shot."""
    shots = [_shot(number) for number in range(frames // _FRAMES_PER_SHOT)]
    return to_json(
        VideoVerdict(
            verdict="real",
            fake_probability=0.27185,
            uncertainty=0.1,
            aggregation="shots",
            shots=shots,
            frames_analyzed=frames,
            frames_with_face=frames,
            fake_frame_ratio=0.0,
            duration_s=10.0 * len(shots),
            frame_rate=25.0,
            width=1280,
            height=720,
            complete=True,
            model=_MODEL,
        )
    )


def _shot(number: int) -> Shot:
    start = 10.0 * number
    frames = [TrackFrame(start + n / 8, _BOX, 0.27185) for n in range(_FRAMES_PER_SHOT)]
    track = Track(f"{number}-0", "real", 0.27185, 0.1, frames)
    return Shot(start, start + 10, "real", 0.27185, [track])


def responses(rounds: int) -> list[Goal]:
    """Measures the response of a job with a long result, and of a batch."""
    image, video = image_verdict(), video_verdict(FRAMES)
    count = partial(RequestScope("/", None, None).count_item, metrics=Metrics())
    job = Job("0" * 32, "video", "succeeded", Source("film.mp4"), {}, time.time())

    def job_response() -> bytes:
        return bytes(json_response(job_document(job), raw=raw_result(video)).body)

    def batch_response() -> bytes:
        items = [batch_item(count, "a.jpg", image, f"0.{n}") for n in range(_BATCH)]
        return bytes(json_response(BatchDocument("0" * 32, []), raw={"results": items}).body)

    return [
        _ratio(f"job of {FRAMES} frames", job_response, rounds, 1, goal=5),
        _ratio(f"batch of {_BATCH} images", batch_response, rounds, 20, goal=0.4),
    ]


def _ratio(name: str, ours: Callable[[], bytes], rounds: int, count: int, goal: float) -> Goal:
    body = ours()
    plain_s, gateway_s = [], []
    for _ in range(rounds):
        plain_s.append(_cpu_s(lambda: orjson.dumps(orjson.loads(body)), count))
        gateway_s.append(_cpu_s(ours, count))
    ratio = statistics.median(a / b for a, b in zip(plain_s, gateway_s, strict=True))
    note = f"{1e3 * statistics.median(plain_s):.2f} / {1e3 * statistics.median(gateway_s):.2f} ms"
    what = f"response, {name}: CPU time, plain dictionaries / ours"
    return Goal(what, round(ratio, 2), goal, "x", True, ratio=False, note=note)


def _cpu_s(run: Callable[[], object], count: int) -> float:
    begun = time.thread_time()
    for _ in range(count):
        run()
    return (time.thread_time() - begun) / count


if __name__ == "__main__":
    print(table(responses(99)))
