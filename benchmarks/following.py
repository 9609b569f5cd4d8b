"""Faces followed through a video against faces searched in every sampled frame.

    python -m benchmarks.following CLIP...

Prints each clip's probability, tracks and faces both ways, and the detector's CPU time per frame.
Nothing is asserted. Every fifth frame is analysed, also in long shots.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path

import orjson

from benchmarks.systems.in_process import shipped
from benchmarks.video_bench import run
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch


class Timed:
    """The shipped detector on one thread, with the CPU time that it takes."""

    def __init__(self, *, follow: bool) -> None:
        self._task, self._options = shipped("detector"), Options(follow=follow)
        self.seconds, self.frames = 0.0, 0

    async def __call__(self, frames: list[Pixels]) -> list[DetectionResult]:
        return await asyncio.to_thread(self._run, frames)

    @property
    def milliseconds(self) -> float:
        """CPU time per frame."""
        return 1000 * self.seconds / self.frames

    def _run(self, frames: list[Pixels]) -> list[DetectionResult]:
        begun = time.thread_time()
        outcomes = self._task.run(frames, [self._options] * len(frames), Stopwatch())
        self.seconds += time.thread_time() - begun
        self.frames += len(frames)
        return [o if isinstance(o, Problem) else orjson.loads(orjson.dumps(o)) for o in outcomes]


def verdict(clip: Path, detect: Timed) -> VideoVerdict:
    """Analyses a clip, one batch of frames at a time."""
    options = VideoOptions(max_frames_per_shot=10_000, max_in_flight=1)
    return asyncio.run(run(clip, detect, options))[0]


def counts(verdict: VideoVerdict) -> tuple[int, int]:
    """Returns the number of tracks, and of faces in them."""
    tracks = [track for shot in verdict.shots for track in shot.tracks]
    return len(tracks), sum(len(track.frames) for track in tracks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    searching, following = Timed(follow=False), Timed(follow=True)
    differences: list[float] = []
    lost = 0
    for clip in parser.parse_args().clips:
        searched, followed = verdict(clip, searching), verdict(clip, following)
        (tracks, faces), (same_tracks, same_faces) = counts(searched), counts(followed)
        lost += same_tracks < tracks
        p, q = searched.fake_probability, followed.fake_probability
        if p is not None and q is not None:
            differences.append(abs(p - q))
        print(
            f"{clip}: p {p} -> {q}, tracks {tracks} -> {same_tracks}, faces {faces} -> {same_faces}"
        )
    print(
        f"{len(differences)} clips: |dp| at most {max(differences):.4f}, "
        f"mean {statistics.mean(differences):.4f}; clips with fewer tracks: {lost}; CPU per frame "
        f"{searching.milliseconds:.1f} -> {following.milliseconds:.1f} ms"
    )


if __name__ == "__main__":
    main()
