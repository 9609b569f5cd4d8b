"""`benchmarks.stages`: every stage that it names is timed."""

from __future__ import annotations

import cv2
import skimage.data

from benchmarks.stages import STAGES, Clock, watched
from model_handlers.items import Options
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask


def test_every_stage_takes_time(detector: DetectorTask) -> None:
    _, jpeg = cv2.imencode(".jpg", skimage.data.astronaut()[:, :, ::-1])
    clock = Clock()
    with watched(detector, clock):
        detector.run([jpeg.tobytes()], [Options()], Stopwatch())
    assert set(clock.seconds) == set(STAGES)
    assert all(clock.seconds.values())
