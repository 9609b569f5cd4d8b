"""Videos that would take too much memory are refused, by their headers or while decoding."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest

from deepfake_serving.contracts.problems import Internal, UndecodableMedia
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.isolation.process import DecodeProcess
from deepfake_serving.video.memory.estimate import frame_bytes
from deepfake_serving.video.memory.references import reference_frames
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import Sample, VideoReader
from deepfake_serving.video.sampling import Sampling
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels
from tests.support.videos import pan, write_video
from tests.unit.video.conftest import Detect

MIB = 2**20
_HDR10 = (
    "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
)


async def discard_image(_: str, __: bytes) -> None: ...


def h264(path: Path, frames: list[Pixels], references: int, pix_fmt: str = "yuv420p") -> Path:
    options = {"x264-params": f"ref={references}:bframes=0", "preset": "medium"}
    return write_video(path, frames, pix_fmt=pix_fmt, codec_options=options)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
@pytest.mark.parametrize("references", [1, 3, 16])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_the_references_of_h264_are_those_of_its_encoder(
    name: str, references: int, pix_fmt: str, moving: list[Pixels], tmp_path: Path
) -> None:
    path = h264(tmp_path / name, moving[:20], references, pix_fmt)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert reference_frames("h264", context.extradata) == references


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
@pytest.mark.parametrize("references", [3, 5])
def test_the_references_of_hevc_are_those_of_its_encoder(
    name: str, references: int, moving: list[Pixels], tmp_path: Path
) -> None:
    options = {"x265-params": f"ref={references}:bframes=0:log-level=none", "preset": "medium"}
    path = write_video(tmp_path / name, moving[:12], codec="libx265", codec_options=options)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert reference_frames("hevc", context.extradata) == references + 1  # and the current one


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("extradata", [None, b"", b"\x01", b"\0\0\x01\x67", b"\x01" + b"\xff" * 40])
def test_an_unreadable_configuration_counts_as_the_most_references(
    codec: str, extradata: bytes | None
) -> None:
    assert reference_frames(codec, extradata) == 16


@pytest.mark.parametrize(
    ("pix_fmt", "size"), [("yuv420p", 1.5), ("yuv444p", 3), ("yuv420p10le", 3), ("yuv444p10le", 6)]
)
def test_chroma_and_depth_count(
    pix_fmt: str, size: float, moving: list[Pixels], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "clip.mp4", moving[:2], pix_fmt=pix_fmt)
    with av.open(str(path)) as container:
        assert frame_bytes(container.streams.video[0]) == 320 * 240 * size


def test_a_video_whose_headers_need_too_much_memory_is_refused_before_decoding(
    moving: list[Pixels], tmp_path: Path
) -> None:
    """4:4:4, 10 bit, 16 references: at 8192 x 4320 it took 8.6 GB."""
    limit = 4 * MIB
    path = h264(tmp_path / "deep.mp4", moving[:20], 16, "yuv444p10le")
    reader = VideoReader(path, VideoOptions(max_memory_bytes=limit))
    with pytest.raises(UndecodableMedia, match="with 16 reference frames; the limit is 4 MiB"):
        list(reader.batches())
    assert reader.video.decoded == 0
    path = h264(tmp_path / "flat.mp4", moving[:20], 16, "yuv420p")
    assert list(VideoReader(path, VideoOptions(max_memory_bytes=limit)).batches())


@pytest.fixture(scope="module")
def grown(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream whose headers describe small frames, and which continues with large ones."""
    folder = tmp_path_factory.mktemp("grown")
    large = [cv2.resize(frame, (3840, 2160)).astype(np.uint8) for frame in pan(astronaut, 4)]
    small = write_video(folder / "small.ts", pan(astronaut, 24)).read_bytes()
    path = folder / "grown.ts"
    path.write_bytes(small + write_video(folder / "large.ts", large).read_bytes())
    return path


def test_a_video_that_takes_more_memory_than_its_headers_say_fails_alone(grown: Path) -> None:
    limit = 40 * MIB
    reader = DecodeProcess(grown, VideoOptions(max_memory_bytes=limit))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(UndecodableMedia, match="more memory than the limit of 40 MiB"):
        list(reader.batches())
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert list(DecodeProcess(grown, VideoOptions()).batches()), "the default limit suffices"


@pytest.mark.parametrize("limit", [16, 80])
def test_a_decoder_without_memory_does_not_call_the_video_broken(grown: Path, limit: int) -> None:
    """FFmpeg's h264 reports invalid data, or a lack of threads, where an allocation failed."""
    reader = DecodeProcess(grown, VideoOptions(max_memory_bytes=limit * MIB))
    with pytest.raises(UndecodableMedia, match=f"more memory than the limit of {limit} MiB"):
        list(reader.batches())


def test_a_broken_video_is_called_broken_below_a_memory_limit(
    moving: list[Pixels], tmp_path: Path
) -> None:
    data = bytearray(write_video(tmp_path / "clip.ts", moving).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path = tmp_path / "broken.ts"
    path.write_bytes(data)
    reader = DecodeProcess(path, VideoOptions())
    assert list(reader.batches())
    assert any("damaged" in warning for warning in reader.video.warnings)


def test_another_process_reads_the_same(cut_video: tuple[Path, list[float]]) -> None:
    options = VideoOptions(Sampling("every", 3))
    here, there = VideoReader(cut_video[0], options), DecodeProcess(cut_video[0], options)
    events = [event for batch in here.batches() for event in batch.events]
    others = [event for batch in there.batches() for event in batch.events]
    assert len(events) == len(others) > 30
    for event, other in zip(events, others, strict=True):
        if isinstance(event, Sample):
            assert isinstance(other, Sample)
            assert np.array_equal(event.pixels, other.pixels)
            assert np.array_equal(event.thumbnail, other.thumbnail)
            assert (event.index, event.t_s, event.width) == (other.index, other.t_s, other.width)
        else:
            assert event == other
    assert here.size == there.size
    for fact in ("frame_rate", "duration_s", "start_s", "end_s", "complete", "warnings"):
        assert getattr(here.video, fact) == getattr(there.video, fact), fact
    assert here.seconds.keys() == there.seconds.keys()


def decoding_processes() -> list[psutil.Process]:
    """Returns the running decoding processes of this one."""
    return [
        child
        for child in psutil.Process().children()
        if "deepfake_serving.video.isolation.child" in child.cmdline()
    ]


@pytest.mark.parametrize(
    ("number", "problem"), [(signal.SIGSEGV, UndecodableMedia), (signal.SIGKILL, Internal)]
)
def test_a_crash_is_the_medias_fault_and_a_kill_is_not(
    number: int, problem: type[Exception], clip: Path
) -> None:
    batches = DecodeProcess(clip, VideoOptions(Sampling("every", 1))).batches()
    next(batches)
    for process in decoding_processes():
        os.kill(process.pid, number)
    with pytest.raises(problem):
        list(batches)
    assert decoding_processes() == []


def test_the_process_gets_no_secrets(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_GATEWAY_WEBHOOK_SECRET", "whsec_a")
    batches = DecodeProcess(clip, VideoOptions(Sampling("every", 1))).batches()
    next(batches)
    (process,) = decoding_processes()
    assert "DEEPFAKE_GATEWAY_WEBHOOK_SECRET" not in process.environ()
    batches.close()


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_problems_are_those_of_the_reader(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(Exception) as here:
        list(VideoReader(path, VideoOptions()).batches())
    with pytest.raises(type(here.value)) as there:
        list(DecodeProcess(path, VideoOptions()).batches())
    assert str(here.value) == str(there.value)


async def test_an_isolated_analysis_has_the_same_verdict(clip: Path, detect: Detect) -> None:
    verdicts = [
        await analyse(clip, detect, VideoOptions(isolated=isolated), discard_image, lambda _: None)
        for isolated in (False, True)
    ]
    for verdict in verdicts:
        assert verdict.timings_ms.pop("decode") > 0
        verdict.timings_ms.clear()
    assert verdicts[0] == verdicts[1]
    assert decoding_processes() == []


async def test_cancelling_kills_the_process(moving: list[Pixels], tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", moving * 20)
    started = asyncio.Event()

    async def stuck(_: list[Pixels]) -> list[DetectionResult]:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    options = VideoOptions(Sampling("every", 1), isolated=True)
    running = asyncio.create_task(analyse(path, stuck, options, discard_image, lambda _: None))
    await started.wait()
    assert len(decoding_processes()) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert decoding_processes() == []


def test_a_decoding_process_starts_no_program(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries look for `ffmpeg` when they are imported."""
    program, started = tmp_path / "ffmpeg", tmp_path / "started"
    program.write_text(f"#!/bin/sh\n: >'{started}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert list(DecodeProcess(clip, VideoOptions()).batches())
    assert not started.exists()


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("libx264", "yuv420p", {}),
        ("libx264", "yuv420p", {"x264-params": "interlaced=1"}),
        ("libx265", "yuv420p10le", {"x265-params": f"{_HDR10}:log-level=none"}),
        ("prores_ks", "yuva444p10le", {"profile": "4444"}),
    ],
    ids=["plain", "interlaced", "HDR10", "alpha"],
)
def test_frames_are_freed_without_the_garbage_collector(
    codec: str, pix_fmt: str, options: dict[str, str], moving: list[Pixels], tmp_path: Path
) -> None:
    path = write_video(
        tmp_path / "clip.mov", moving, codec=codec, pix_fmt=pix_fmt, codec_options=options
    )
    gc.collect()
    gc.disable()
    try:
        for _ in VideoReader(path, VideoOptions()).batches():
            pass
        kept = sum(type(each) is av.VideoFrame for each in gc.get_objects())
    finally:
        gc.enable()
    assert kept <= 2
