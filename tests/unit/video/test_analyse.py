"""Whole videos through the real detector."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import threading
from bisect import bisect
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.problems import (
    InvalidRequest,
    Overloaded,
    Problem,
    UndecodableMedia,
)
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.progress import ProgressReporter
from deepfake_serving.video.sampling import Sampling
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels
from tests.support.console_warnings import translated
from tests.unit.video.conftest import (
    HEAD,
    RATE,
    AnalysisResult,
    Detect,
    pan,
    two_faces,
    write_video,
)

Analyse = Callable[..., Awaitable[AnalysisResult]]


async def discard_image(name: str, data: bytes) -> None:
    """Ignores images."""


def ignore_progress(progress: Progress) -> None:
    """Ignores progress."""


async def test_one_face_is_one_track_whose_boxes_follow_it(
    clip: Path, run_analysis: Analyse
) -> None:
    verdict, images = await run_analysis(clip, sampling=Sampling("every", 3))
    (shot,) = verdict.shots
    (track,) = shot.tracks
    assert [face.t_s for face in track.frames] == pytest.approx(
        [i / 4 for i in range(12)], abs=0.002
    )
    for index, face in enumerate(track.frames):
        x1, y1, x2, y2 = HEAD
        shift = 60 + 3 * index
        assert face.box == pytest.approx([x1 - shift, y1, x2 - shift, y2], abs=16)
    assert (verdict.width, verdict.height) == (320, 240)
    assert (verdict.frames_analyzed, verdict.frames_with_face) == (12, 12)
    assert verdict.fake_probability == track.fake_probability == shot.fake_probability
    assert verdict.uncertainty == track.spread
    assert (shot.start_s, shot.end_s) == (0.0, 3.0)
    assert verdict.duration_s == 3.0
    assert verdict.frame_rate == RATE
    assert verdict.complete
    assert verdict.model.name == "detector"
    assert verdict.warnings == []
    assert set(images) == set(verdict.gallery)
    assert {shot.strip, track.keyframe, track.median_frame} == set(images)
    assert {"decode", "convert", "shots", "detect", "gallery", "total"} == set(verdict.timings_ms)


async def test_shots_are_cut_and_each_has_its_own_faces(
    cut_video: tuple[Path, list[float]], run_analysis: Analyse
) -> None:
    path, starts = cut_video
    verdict, images = await run_analysis(path, sampling=Sampling("every", 3))
    assert [shot.start_s for shot in verdict.shots] == pytest.approx(starts, abs=0.001)
    assert [len(shot.tracks) for shot in verdict.shots] == [1, 0, 1, 2]
    assert [shot.verdict == "no_face" for shot in verdict.shots] == [False, True, False, False]
    assert verdict.fake_probability == max(s.fake_probability or 0 for s in verdict.shots)
    assert (verdict.frames_analyzed, verdict.frames_with_face) == (32, 24)
    assert {"shot-1.jpg", "shot-2.jpg", "track-4-2-high.jpg"} <= set(images)
    for data in images.values():
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None


async def test_a_track_ends_at_every_cut(
    astronaut: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    """Two people in the same place, cut every second: one shot, but never one track."""
    other = np.ascontiguousarray(255 - astronaut[:, ::-1])
    ends = [12, 24, 36]
    frames = pan(astronaut, 12) + pan(other, 12) + pan(astronaut, 12)
    path = write_video(tmp_path / "quick.mp4", frames)
    verdict, _ = await run_analysis(path, sampling=Sampling("every", 2))
    assert len(verdict.shots) < len(ends)
    for shot in verdict.shots:
        for track in shot.tracks:
            parts = {sum(face.t_s * RATE > end - 0.5 for end in ends) for face in track.frames}
            assert len(parts) == 1


async def test_with_shots_off_a_video_is_one_shot(
    cut_video: tuple[Path, list[float]], run_analysis: Analyse
) -> None:
    verdict, _ = await run_analysis(cut_video[0], shots=False, sampling=Sampling("every", 6))
    (shot,) = verdict.shots
    assert (shot.start_s, shot.end_s) == (0.0, 8.0)
    starts = cut_video[1]
    assert len(shot.tracks) == 4
    for track in shot.tracks:
        times = [face.t_s for face in track.frames]
        assert len({bisect(starts, t_s) for t_s in times}) == 1


async def test_two_people_are_two_tracks(
    astronaut: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "two.mp4", two_faces(astronaut, 24))
    verdict, _ = await run_analysis(path, sampling=Sampling("every", 3))
    left, right = sorted(verdict.shots[0].tracks, key=lambda track: track.frames[0].box[0])
    assert [len(left.frames), len(right.frames)] == [8, 8]
    assert all(face.box[2] < 240 for face in left.frames)
    assert all(face.box[0] > 240 for face in right.frames)


async def test_faces_beyond_the_limit_are_a_warning(
    astronaut: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "two.mp4", two_faces(astronaut, 24))
    verdict, _ = await run_analysis(path, sampling=Sampling("every", 6), max_faces=1)
    text = "frames with more than 1 faces, of which the largest were analysed: 4"
    assert verdict.warnings[0] == text


async def test_a_video_without_faces_is_no_face(
    no_face: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "coffee.mp4", pan(no_face, 24))
    verdict, images = await run_analysis(path)
    assert verdict.verdict == "no_face"
    assert verdict.fake_probability is verdict.uncertainty is verdict.fake_frame_ratio is None
    assert set(images) == {"shot-1.jpg"}


async def test_the_track_of_a_passing_person_is_kept(
    astronaut: Pixels, no_face: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    """A head crosses an empty room during a sixth of the shot."""
    background = np.ascontiguousarray(no_face[:240, 100:420])
    head = astronaut[40:200, 150:300]
    frames = []
    for index in range(60):
        frame = background.copy()
        if 24 <= index < 34:
            x = 20 + 6 * (index - 24)
            frame[40:200, x : x + 150] = head
        frames.append(frame)
    path = write_video(tmp_path / "by.mp4", frames)
    verdict, _ = await run_analysis(path, sampling=Sampling("every", 2), shots=False)
    assert verdict.verdict != "no_face"
    assert 4 <= verdict.frames_with_face <= 5


async def test_a_rotated_video_is_analysed_upright(
    moving: list[Pixels], run_analysis: Analyse, clip: Path, tmp_path: Path
) -> None:
    rotated = [np.rot90(frame, -1) for frame in moving]
    rotated_video, _ = await run_analysis(
        write_video(tmp_path / "turned.mp4", rotated, rotation=90)
    )
    upright, _ = await run_analysis(clip)
    assert (rotated_video.width, rotated_video.height) == (320, 240)
    assert rotated_video.fake_probability == pytest.approx(upright.fake_probability, abs=0.05)
    assert rotated_video.shots[0].tracks[0].frames[0].box == pytest.approx(
        upright.shots[0].tracks[0].frames[0].box, abs=6
    )


@pytest.mark.parametrize("text", ["every:4", "uniform:9", "fps:3", "per_shot:9"])
async def test_each_sampling_gives_the_same_verdict(
    text: str, clip: Path, run_analysis: Analyse
) -> None:
    verdict, _ = await run_analysis(clip, sampling=Sampling.parse(text))
    assert 5 <= verdict.frames_analyzed <= 9
    every, _ = await run_analysis(clip, sampling=Sampling.parse("every:1"))
    assert verdict.fake_probability == pytest.approx(every.fake_probability, abs=0.05)


async def test_uniform_measures_a_video_that_states_no_duration(
    moving: list[Pixels], run_analysis: Analyse, tmp_path: Path
) -> None:
    path = write_video(
        tmp_path / "live.webm", moving, 25, options={"live": "1"}, container_format="matroska"
    )
    verdict, _ = await run_analysis(path, sampling=Sampling("uniform", 6))
    assert verdict.frames_analyzed == 6


async def test_long_shots_are_thinned(clip: Path, run_analysis: Analyse) -> None:
    verdict, _ = await run_analysis(clip, sampling=Sampling("every", 1), max_frames_per_shot=8)
    times = [face.t_s for face in verdict.shots[0].tracks[0].frames]
    assert 4 <= len(times) <= 8
    steps = np.diff(times)
    assert max(steps) - min(steps) < 0.01
    assert times[-1] > 2
    (warning,) = verdict.warnings
    assert warning.startswith("shots with more than 8 sampled frames")


async def test_each_shot_has_its_own_share_of_frames(
    cut_video: tuple[Path, list[float]], run_analysis: Analyse
) -> None:
    verdict, _ = await run_analysis(
        cut_video[0], sampling=Sampling("every", 1), max_frames_per_shot=8
    )
    assert len(verdict.shots) == 4
    assert 20 <= verdict.frames_analyzed <= 32


@pytest.mark.parametrize("share", [0.4, 0.8])
async def test_a_truncated_file_is_analysed_up_to_its_end(
    share: float, moving: list[Pixels], run_analysis: Analyse, tmp_path: Path
) -> None:
    options = {"movflags": "faststart"}
    path = write_video(tmp_path / "cut.mp4", moving * 3, options=options)
    os.truncate(path, int(path.stat().st_size * share))
    verdict, _ = await run_analysis(path)
    assert not verdict.complete
    assert "damaged" in verdict.warnings[0] or "breaks off" in verdict.warnings[0]
    assert translated(verdict.warnings[0])
    assert verdict.verdict != "no_face"
    assert verdict.duration_s is not None
    assert verdict.duration_s < 9


async def test_max_frames_limits_the_analysis(clip: Path, run_analysis: Analyse) -> None:
    verdict, _ = await run_analysis(clip, sampling=Sampling("every", 1), max_frames=10)
    assert verdict.frames_analyzed == 10
    assert not verdict.complete
    assert "10 frames" in verdict.warnings[0]


async def test_boxes_of_downscaled_frames_are_in_pixels_of_the_video(
    astronaut: Pixels, detect: Detect, tmp_path: Path
) -> None:
    large = cv2.resize(astronaut, (3600, 3600), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    path = write_video(tmp_path / "large.avi", [large], codec="mjpeg", pix_fmt="yuvj420p")
    shapes: list[tuple[int, ...]] = []

    async def recording(frames: list[Pixels]) -> list[DetectionResult]:
        shapes.extend(frame.shape for frame in frames)
        return await detect(frames)

    verdict = await analyse(path, recording, VideoOptions(), discard_image, ignore_progress)
    assert shapes[0][0] < 3000
    assert (verdict.width, verdict.height) == (3600, 3600)
    scale = 3600 / 512
    box = verdict.shots[0].tracks[0].frames[0].box
    assert box == pytest.approx([edge * scale for edge in HEAD], abs=16 * scale)


async def test_requests_are_limited_in_bytes_and_frames(
    moving: list[Pixels], detect: Detect, clip: Path, tmp_path: Path
) -> None:
    async def calls(path: Path) -> list[int]:
        counts: list[int] = []

        async def recording(frames: list[Pixels]) -> list[DetectionResult]:
            assert sum(frame.nbytes for frame in frames) <= 24 * 2**20
            counts.append(len(frames))
            return await detect(frames)

        await analyse(
            path, recording, VideoOptions(Sampling("every", 1)), discard_image, ignore_progress
        )
        return counts

    assert max(await calls(clip)) == 8
    large = [cv2.resize(frame, (1920, 1440)).astype(np.uint8) for frame in moving[:7]]
    path = write_video(tmp_path / "large.mp4", large)
    counts = await calls(path)
    assert max(counts) == 3
    assert sum(counts) == 7


async def test_frames_of_different_sizes_are_sent_in_separate_requests(
    moving: list[Pixels], astronaut: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    small = write_video(tmp_path / "small.ts", moving[:24]).read_bytes()
    large = write_video(tmp_path / "large.ts", [astronaut] * 24).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(small + large)
    verdict, _ = await run_analysis(path, sampling=Sampling("every", 2))
    assert verdict.frames_with_face > 16
    faces = [face for shot in verdict.shots for track in shot.tracks for face in track.frames]
    assert max(face.box[2] for face in faces) <= verdict.width == 320


async def test_a_failed_frame_is_left_out_with_a_warning(clip: Path, detect: Detect) -> None:
    async def flaky(frames: list[Pixels]) -> list[DetectionResult]:
        results = await detect(frames)
        return [UndecodableMedia("out of memory"), *results[1:]]

    verdict = await analyse(
        clip, flaky, VideoOptions(Sampling("every", 2)), discard_image, ignore_progress
    )
    assert 0 < verdict.frames_analyzed < 18
    assert any("out of memory" in warning for warning in verdict.warnings)


async def test_the_last_problem_is_raised_if_every_frame_failed(clip: Path) -> None:
    async def busy(frames: list[Pixels]) -> list[DetectionResult]:
        return [Overloaded("come back later") for _ in frames]

    with pytest.raises(Overloaded, match="later"):
        await analyse(clip, busy, VideoOptions(), discard_image, ignore_progress)


async def test_a_lost_detector_ends_the_analysis(clip: Path) -> None:
    async def lost(_: list[Pixels]) -> list[DetectionResult]:
        raise Overloaded("lost")

    with pytest.raises(Overloaded, match="lost"):
        await analyse(clip, lost, VideoOptions(), discard_image, ignore_progress)
    assert not _decoders()


async def test_progress_rises_to_the_end(
    moving: list[Pixels], detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.video.progress._INTERVAL_S", 0.0)
    path = write_video(tmp_path / "long.mp4", moving * 3)
    reports: list[Progress] = []
    await analyse(path, detect, VideoOptions(Sampling("every", 2)), discard_image, reports.append)
    assert len(reports) >= 6
    assert {each.stage for each in reports} == {"analyse"}
    percents = [each.percent or math.nan for each in reports]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0
    assert reports[-1].frames == 54
    assert reports[-1].eta_s == 0.0


def test_progress_is_rate_limited() -> None:
    now = 0.0
    reports: list[float] = []
    reporter = ProgressReporter(lambda _: reports.append(now), lambda: now)
    for update in range(100):
        now = update / 10
        reporter.update(1, now, 10.0)
    assert all(b - a >= 0.25 for a, b in itertools.pairwise(reports))
    assert len(reports) > 30


async def test_cancelling_closes_the_file_and_ends_the_thread(
    moving: list[Pixels], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "long.mp4", moving * 20)
    started = asyncio.Event()

    async def stuck(_: list[Pixels]) -> list[DetectionResult]:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    running = asyncio.create_task(
        analyse(path, stuck, VideoOptions(Sampling("every", 1)), discard_image, ignore_progress)
    )
    await started.wait()
    assert path in _open_files()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert path not in _open_files()
    assert not _decoders()


async def test_cancelling_stops_a_busy_decoder(
    moving: list[Pixels], detect: Detect, tmp_path: Path
) -> None:
    """Only the first of many frames is sampled, so the thread never waits."""
    path = write_video(tmp_path / "long.mp4", moving * 60)
    started = asyncio.Event()

    async def recording(frames: list[Pixels]) -> list[DetectionResult]:
        started.set()
        return await detect(frames)

    options = VideoOptions(Sampling("uniform", 1), shots=False)
    running = asyncio.create_task(analyse(path, recording, options, discard_image, ignore_progress))
    async with asyncio.timeout(60):
        while path not in _open_files():
            await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert path not in _open_files()
    assert not _decoders()


@pytest.mark.parametrize("content", [b"", b"no video"])
async def test_a_file_that_is_not_a_video_is_a_problem(
    content: bytes, detect: Detect, tmp_path: Path
) -> None:
    (tmp_path / "thing").write_bytes(content)
    with pytest.raises(Problem) as caught:
        await analyse(tmp_path / "thing", detect, VideoOptions(), discard_image, ignore_progress)
    assert isinstance(caught.value, InvalidRequest) == (content == b"")
    assert not _decoders()


async def test_a_frame_scores_like_the_same_image(
    clip: Path, moving: list[Pixels], detect: Detect, run_analysis: Analyse
) -> None:
    """Decoding returns the frame that was encoded, so its score equals that of the image."""
    verdict, _ = await run_analysis(clip)
    (result,) = await detect([np.ascontiguousarray(moving[0])])
    assert not isinstance(result, Problem)
    first = verdict.shots[0].tracks[0].frames[0]
    assert first.fake_probability == pytest.approx(result["fake_probability"], abs=0.1)
    assert first.box == pytest.approx(result["faces"][0]["box"], abs=4)


async def test_a_verdict_serialises_field_by_field(clip: Path, run_analysis: Analyse) -> None:
    verdict, _ = await run_analysis(clip)
    document = orjson.loads(orjson.dumps(verdict))
    assert document == asdict(verdict)
    assert document["shots"][0]["tracks"][0]["frames"][0].keys() == {
        "t_s",
        "box",
        "fake_probability",
    }


def _open_files() -> set[Path]:
    folder = Path("/proc/self/fd")
    return {Path(os.readlink(each)) for each in folder.iterdir() if each.exists()}


def _decoders() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("decode")]
