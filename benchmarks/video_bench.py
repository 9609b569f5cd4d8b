"""Video analysis: speed relative to real time, time by stage, and memory on a long video.

    python -m benchmarks.video_bench [--hours 2]
    python -m benchmarks.video_bench --film 4k.mp4   # the memory of a worker on this video

Nothing is asserted. The detector runs in process on one thread beside the decoder's, like a model
server with one worker. `every fifth` analyses every fifth frame, `as shipped` fewer in long shots.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import orjson
import psutil
import skimage.data

from benchmarks.report.goal import Goal, table
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels

_SIZE = (1280, 720)
_RATE = 30
_STAGES = ("decode", "shots", "convert", "detect", "gallery")

Detect = Callable[[list[Pixels]], Awaitable[list[DetectionResult]]]


def talking_head(path: Path, seconds: float) -> Path:
    """Writes 720p30 of the astronaut, moving, with a face about 270 pixels high."""
    image = cv2.resize(skimage.data.astronaut(), (1480, 1480), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).integers(0, 9, (*_SIZE[::-1], 3), dtype=np.uint8)

    def frame(index: int) -> Pixels:
        x = round(100 + 90 * np.sin(index / 40))
        y = round(60 + 40 * np.sin(index / 23))
        window = image[y : y + _SIZE[1], x : x + _SIZE[0]]
        return cv2.add(window, np.roll(noise, index * 7, axis=1)).astype(np.uint8)

    return _write(path, frame, round(seconds * _RATE), _RATE)


def long_film(path: Path, hours: float) -> Path:
    """Writes 320 x 240 at 10 fps with a cut every 20 s between a face and three objects."""
    face = skimage.data.astronaut()[:240, 100:420]
    others = [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    scenes = [face, *(cv2.resize(other, (320, 240)) for other in others)]

    def frame(index: int) -> Pixels:
        return np.roll(scenes[index // 200 % 4], abs(index % 32 - 16), axis=1)

    return _write(path, frame, round(hours * 36_000), 10)


def _write(path: Path, frame: Callable[[int], Pixels], count: int, rate: int) -> Path:
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "23"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = frame(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        for index in range(count):
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame(index)), "rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def detector() -> Detect:
    """Returns the shipped detector, limited to one call at a time."""
    from benchmarks.systems.in_process import shipped
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    task, worker = shipped("detector"), threading.Lock()

    def run(frames: list[Pixels]) -> list[DetectionResult]:
        with worker:
            outcomes = task.run(frames, [Options(follow=True)] * len(frames), Stopwatch())
        return [o if isinstance(o, Problem) else orjson.loads(orjson.dumps(o)) for o in outcomes]

    return lambda frames: asyncio.to_thread(run, frames)


async def run(path: Path, detect: Detect, options: VideoOptions) -> tuple[VideoVerdict, float]:
    """Returns the verdict and the seconds it took."""

    async def keep(_: str, __: bytes) -> None:
        return None

    begun = time.perf_counter()
    verdict = await analyse(path, detect, options, keep, lambda _: None)
    return verdict, time.perf_counter() - begun


def speed(path: Path) -> list[Goal]:
    """Measures a video of one face, with default options and without skipping in long shots."""
    detect = detector()
    variants = {
        "every fifth": VideoOptions(max_frames_per_shot=10_000),
        "as shipped": VideoOptions(),
    }
    asyncio.run(run(path, detect, VideoOptions(max_frames=8)))
    goals = []
    for name, options in variants.items():
        cpu = time.process_time()
        verdict, seconds = asyncio.run(run(path, detect, options))
        cpu = time.process_time() - cpu
        assert verdict.duration_s is not None
        stages = ", ".join(f"{stage} {verdict.timings_ms[stage]:.0f}" for stage in _STAGES)
        goals.append(
            Goal(
                f"720p30, one face, {name}: times real time",
                round(verdict.duration_s / seconds, 2),
                2,
                "x",
                higher_is_better=True,
                ratio=False,
                note=f"{seconds:.1f} s, {cpu:.1f} s of CPU, {verdict.frames_analyzed} frames in "
                f"the verdict, p {verdict.fake_probability}; ms: {stages}",
            )
        )
    return goals


def memory(path: Path) -> Goal:
    """Measures peak resident memory of a process that analyses the film, without the models."""
    command = [sys.executable, "-m", "benchmarks.video_bench", "--watch", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        peak, watched = 0.0, psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        report: dict[str, Any] = json.loads(process.stdout.read())
    note = (
        f"{report['duration_s'] / 3600:.1f} h in {report['seconds']:.0f} s, "
        f"{report['shots']} shots, "
        f"{report['frames']} frames in the verdict, {report['start_mb']:.0f} MB before"
    )
    return Goal("worker, resident memory", round(peak), 400, "MB", False, False, note)


def watch(path: Path) -> None:
    """Analyses the film with a fake detector that returns a face in each frame.

    This measures the worker's memory only; models run in another process.
    """
    face = {
        "box": [77.0, 58.0, 170.0, 175.0],
        "detection_confidence": 0.99,
        "fake_probability": 0.1,
    }
    model = {"name": "scripted", "version": "1", "digest": None, "trained": False}

    async def scripted(frames: list[Pixels]) -> list[DetectionResult]:
        sent = np.stack(frames).tobytes()  # as a client would
        await asyncio.sleep(0)
        return [{"faces": [face], "model": model} for _ in frames if sent]

    start_mb = psutil.Process().memory_info().rss / 2**20
    verdict, seconds = asyncio.run(run(path, scripted, VideoOptions()))
    report = {
        "duration_s": verdict.duration_s,
        "seconds": seconds,
        "shots": len(verdict.shots),
        "frames": verdict.frames_analyzed,
        "start_mb": start_mb,
    }
    print(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long film")
    parser.add_argument("--film", type=Path, help="measure only the memory, on this video")
    parser.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        watch(arguments.watch)
        return
    if arguments.film:
        print(table([memory(arguments.film)]))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        goals = speed(talking_head(Path(folder) / "head.mp4", 20))
        print(table(goals), flush=True)
        goals.append(memory(long_film(Path(folder) / "film.mp4", arguments.hours)))
    print(table(goals))


if __name__ == "__main__":
    main()
