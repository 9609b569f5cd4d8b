"""Times as a player shows them, and sizes that change midway."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepfake_serving.video.decoding.clock import Clock
from deepfake_serving.video.sampling import Sampling
from model_handlers.pipeline.decode import Pixels
from tests.support.console_warnings import translated
from tests.unit.video.conftest import RATE, AnalysisResult, pan, write_video
from tests.unit.video.test_frames import read

Analyse = Callable[..., Awaitable[AnalysisResult]]


def with_audio(path: Path, frames: Sequence[Pixels], late_s: float) -> Path:
    """Writes a video that starts `late_s` after its sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac" if path.suffix != ".mkv" else "flac", rate=16_000)
        length_s = late_s + len(frames) / RATE
        for index in range(int(length_s * 16_000 / 1024)):
            sound = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.int16), format="s16", layout="mono"
            )
            sound.sample_rate, sound.pts = 16_000, 1024 * index
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(late_s * RATE) + index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_video_that_starts_after_its_sound_starts_late(
    suffix: str, moving: list[Pixels], tmp_path: Path
) -> None:
    seen = read(with_audio(tmp_path / f"late.{suffix}", moving, 2.0))
    assert seen.times[0] == pytest.approx(2.0, abs=0.15)
    assert seen.video.end_s == pytest.approx(2.0 + len(moving) / RATE, abs=0.15)
    assert seen.video.complete
    assert seen.video.warnings == []


async def test_the_first_shot_starts_with_the_first_frame(
    moving: list[Pixels], run_analysis: Analyse, tmp_path: Path
) -> None:
    verdict, _ = await run_analysis(with_audio(tmp_path / "late.mkv", moving, 2.0))
    (shot,) = verdict.shots
    assert shot.start_s == pytest.approx(2.0, abs=0.15)
    assert shot.start_s == shot.tracks[0].frames[0].t_s


def jumping(path: Path, frames: Sequence[Pixels], jump_s: float) -> Path:
    """Writes a stream whose clock jumps by `jump_s` in its middle."""
    with av.open(str(path), "w", options={"mpegts_copyts": "1"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "6", "bf": "0"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, pixels in enumerate(frames):
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(_moved(packet, jump_s if index >= len(frames) // 2 else 0))
        for packet in stream.encode(None):
            container.mux(_moved(packet, jump_s))
    return path


def _moved(packet: av.Packet, by_s: float) -> av.Packet:
    by = round(by_s / packet.time_base)
    packet.pts, packet.dts = packet.pts + by, packet.dts + by
    return packet


@pytest.mark.parametrize("jump_s", [1800, 72_000])
def test_a_jump_of_the_clock_loses_nothing(
    jump_s: float, moving: list[Pixels], tmp_path: Path
) -> None:
    seen = read(jumping(tmp_path / "jump.ts", moving, jump_s))
    assert len(seen.times) == len(moving)
    assert seen.times[-1] == pytest.approx((len(moving) - 1) / RATE, abs=0.05)
    assert seen.video.complete
    assert seen.video.warnings == []


async def test_uniform_sampling_of_a_stream_that_jumps(
    moving: list[Pixels], run_analysis: Analyse, tmp_path: Path
) -> None:
    path = jumping(tmp_path / "jump.ts", moving, 1800)
    verdict, _ = await run_analysis(path, sampling=Sampling("uniform", 9))
    assert verdict.frames_analyzed == 9
    assert verdict.complete


def test_a_frame_shown_for_long_is_no_jump(moving: list[Pixels], tmp_path: Path) -> None:
    seen = read(jumping(tmp_path / "slow.mp4", moving, 60))
    assert max(b - a for a, b in itertools.pairwise(seen.times)) == pytest.approx(60, abs=0.2)


def test_a_stream_joined_midway_says_so(moving: list[Pixels], tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.ts", moving * 2, codec_options={"g": "24", "bf": "0"})
    packets = path.read_bytes()
    starts = range(0, len(packets), 188)
    cut = starts[len(starts) // 6]
    path.write_bytes(packets[: 188 * 3] + packets[cut:])
    seen = read(path)
    assert seen.times[0] > 0.5
    assert seen.video.complete
    (warning,) = seen.video.warnings
    assert warning.startswith("the first ")
    assert translated(warning)


def test_an_implausible_start_is_ignored() -> None:
    assert Clock(0.04, 0.0).tick(5000.0) == 0.0
    assert Clock(0.04, 0.0).tick(5.0) == 5.0
    assert Clock(0.04, 9.0).tick(5.0) == 0.0


@pytest.mark.parametrize("turned", [False, True])
async def test_boxes_are_right_in_both_sizes(
    turned: bool, astronaut: Pixels, run_analysis: Analyse, tmp_path: Path
) -> None:
    first = pan(astronaut, 24)
    second = [frame[:, 40:220] if turned else frame[20:, :300] for frame in first]
    parts = [
        write_video(tmp_path / f"{number}.ts", [np.ascontiguousarray(f) for f in frames])
        for number, frames in enumerate((first, second))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    verdict, _ = await run_analysis(path)
    left, top = (40, 0) if turned else (0, 20)
    late = [f for s in verdict.shots for t in s.tracks for f in t.frames if f.t_s > 2.2]
    early = [f for s in verdict.shots for t in s.tracks for f in t.frames if f.t_s < 1.8]
    assert early
    assert late
    for face in late:
        nearest = min(early, key=lambda each: abs(each.t_s - (face.t_s - 2.0)))
        expected = [a - b for a, b in zip(nearest.box, [left, top] * 2, strict=True)]
        assert face.box == pytest.approx(expected, abs=20)
    assert any("frame size changes" in warning for warning in verdict.warnings)
