"""A long video shared by processes: how much sooner it is analysed than by one.

    python -m benchmarks.parts_bench [--hours 2] [--frame-ms 20] [--processes 0 1 2 4]

Nothing is asserted. The detector is a stub that takes a fixed time for each frame without using the
processor, like a model server on another machine. Each part is read in a process of its own, as
workers do. `0` stands for the whole video in one pass, 1 for a worker alone, which reads on from
part to part. The times of an equal number of processes differ by what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.video_bench import long_film
from deepfake_serving.cli.divided import count_parts
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.analyse import Detect, analyse, analyse_part
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.joining import Joins, alone
from deepfake_serving.video.parts.result import PartResult, merged, sequence
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels

_MODEL = {"name": "stub", "version": "1", "digest": "sha256:0", "trained": True}
_FACE = {"box": [60, 40, 140, 140], "detection_confidence": 0.99, "fake_probability": 0.2}


def _detector(frame_s: float) -> Detect:
    async def detect(frames: list[Pixels]) -> list[DetectionResult]:
        await asyncio.sleep(frame_s * len(frames))
        return [{"faces": [_FACE], "model": _MODEL} for _ in frames]

    return detect


async def _ignore(_: str, __: bytes) -> None:
    return None


async def _all(_: int) -> bool:
    return True


def _cpu_s() -> float:
    """Returns the CPU time of this process and those that it has started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _part(
    path: Path, options: VideoOptions, frame_s: float, part: Part, joins: Joins = alone
) -> PartResult:
    analysis = analyse_part(
        path, _detector(frame_s), options, _ignore, lambda _: None, part=part, joins=joins
    )
    return asyncio.run(analysis)


def _whole(path: Path, options: VideoOptions, frame_s: float) -> VideoVerdict:
    return asyncio.run(analyse(path, _detector(frame_s), options, _ignore, lambda _: None))


def _shared(path: Path, options: VideoOptions, frame_s: float, processes: int) -> VideoVerdict:
    if processes == 1:
        return _part(path, options, frame_s, Part(0), _all).verdict(options)
    parts = [Part(number) for number in range(count_parts(path, options))]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_part, path, options, frame_s, part) for part in parts]
        results = {part.number: f.result() for part, f in zip(parts, futures, strict=True)}
    return merged(sequence(results)).verdict(options)


def measure(path: Path, options: VideoOptions, frame_s: float, processes: Sequence[int]) -> None:
    """Prints the time of each number of processes, and how much sooner than one pass it is."""
    first = 0.0
    for count in processes:
        begun, used_s = time.perf_counter(), _cpu_s()
        run = _whole(path, options, frame_s) if not count else None
        verdict = run or _shared(path, options, frame_s, count)
        seconds = time.perf_counter() - begun
        first = first or seconds
        print(
            f"{count} processes: {seconds:.1f} s, {first / seconds:.2f} x as fast; "
            f"{(verdict.duration_s or 0) / seconds:.0f} x real time, {_cpu_s() - used_s:.1f} s of "
            f"CPU time; {len(verdict.shots)} shots, "
            f"{verdict.frames_analyzed} frames, p {verdict.fake_probability}"
        )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--frame-ms", type=float, default=20.0)
    parser.add_argument("--part-s", type=float, default=300.0)
    parser.add_argument("--processes", type=int, nargs="+", default=[0, 1, 2, 4])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = long_film(Path(folder) / "film.mp4", given.hours)
        options = VideoOptions(
            max_frames_per_shot=10_000, max_frames=10**9, part_s=given.part_s, isolated=True
        )
        measure(path, options, given.frame_ms / 1000, given.processes)


if __name__ == "__main__":
    main()
