"""Videos that other programs were reported to misread (docs/reported-media.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import Sample, VideoReader
from deepfake_serving.video.sampling import Sampling
from model_handlers.pipeline.decode import Pixels
from tests.support.videos import RATE, write_video

GARBAGE = bytes.fromhex("00000165ffffff") * 3


def read(path: Path) -> tuple[VideoReader, list[Sample]]:
    reader = VideoReader(path, VideoOptions(Sampling("every", 1)))
    return reader, [sample for batch in reader.batches() for sample in batch.samples]


def remux(source: Path, target: Path, change: Callable[[int, Packet], Packet]) -> Path:
    """Copies a video; `change` returns the packet to write in place of the nth one."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        for number, packet in enumerate(container.demux(stream)):
            if packet.dts is not None:
                changed = change(number, packet)
                changed.stream = copy
                output.mux(changed)
    return target


def with_garbage(number: int, packet: Packet) -> Packet:
    if number % 3 != 1:
        return packet
    longer = Packet(bytes(packet) + GARBAGE)
    for name in ("pts", "dts", "time_base", "is_keyframe", "duration"):
        setattr(longer, name, getattr(packet, name))
    return longer


@pytest.mark.parametrize("name", ["frames.h264", "frames.mkv"])
def test_frames_that_are_flushed_have_their_times(
    name: str, moving: list[Pixels], tmp_path: Path
) -> None:
    options = {"bf": "3", "preset": "medium"}
    path = write_video(tmp_path / name, moving[:24], 25, codec_options=options)
    _, samples = read(path)
    times = [sample.t_s for sample in samples]
    assert np.diff(times) == pytest.approx(1 / 25, abs=0.002)
    assert len(times) == 24


def test_timestamps_that_leap_and_return_do_not_reorder_frames(
    moving: list[Pixels], tmp_path: Path
) -> None:
    source = write_video(tmp_path / "base.mkv", moving[:24], codec_options={"bf": "0"})

    def leap(number: int, packet: Packet) -> Packet:
        if number in (10, 11) and packet.pts is not None:
            packet.pts += 20_000
        return packet

    reader, samples = read(remux(source, tmp_path / "leap.mkv", leap))
    times = [sample.t_s for sample in samples]
    assert len(times) == 24
    assert times == sorted(times)
    assert reader.video.complete


def test_a_frame_with_undecodable_bytes_behind_it_is_analysed(
    moving: list[Pixels], tmp_path: Path
) -> None:
    source = write_video(tmp_path / "base.avi", moving[:24], codec="mpeg4")
    reader, samples = read(remux(source, tmp_path / "garbage.avi", with_garbage))
    assert len(samples) == 24
    assert reader.video.complete


def test_h264_with_undecodable_bytes_is_analysed_as_far_as_it_goes(
    moving: list[Pixels], tmp_path: Path
) -> None:
    source = write_video(tmp_path / "base.mkv", moving[:24])
    reader, samples = read(remux(source, tmp_path / "garbage.mkv", with_garbage))
    assert len(samples) >= 12
    assert not reader.video.complete
    assert any("damaged" in warning for warning in reader.video.warnings)


def test_an_animation_of_16_bits_keeps_its_colours(moving: list[Pixels], tmp_path: Path) -> None:
    path = write_video(tmp_path / "deep.apng", moving[:3], RATE, "apng", pix_fmt="rgb48be")
    _, samples = read(path)
    assert np.abs(samples[0].pixels.astype(int) - moving[0]).max() <= 1
