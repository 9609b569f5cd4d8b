"""RTP packets to access units, access units to files: complete, lossy and hostile ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import UndecodableMedia, UnsupportedMediaType
from deepfake_serving.gateway.sources.codecs import H264, H265
from deepfake_serving.gateway.sources.recording import Recorder
from deepfake_serving.gateway.sources.rtp import CLOCK_RATE, AccessUnit, Depacketizer
from deepfake_serving.gateway.sources.rtsp import _skip_older
from deepfake_serving.gateway.sources.sdp import VideoTrack, find_video
from deepfake_serving.gateway.sources.segment import Segment
from deepfake_serving.runtime.newest_queue import NewestQueue
from tests.support.media_servers import description, rtp_packets
from tests.unit.gateway.sources.conftest import SECONDS, files_in, frame_times

TRACK = VideoTrack(H264, 96, "*", (b"\x67sps", b"\x68pps"))


def packet(payload: bytes, number: int = 0, ticks: int = 0, *, marker: bool = False) -> bytes:
    return struct.pack(">BBHII", 0x80, 96 | marker << 7, number, ticks, 1) + payload


def depacketize(packets: Iterable[bytes], track: VideoTrack = TRACK) -> list[AccessUnit]:
    depacketizer = Depacketizer(track)
    return [unit for each in packets for unit in depacketizer.add(each)]


def test_single_aggregated_and_fragmented_nal_units_are_reassembled() -> None:
    """RFC 6184, figures 4, 7 and 14."""
    together = b"\x18" + b"".join(struct.pack(">H", len(u)) + u for u in (b"\x67a", b"\x68b"))
    parts = [b"\x7c\x85one", b"\x7c\x05two", b"\x7c\x45three"]
    packets = [packet(together), *(packet(p, n + 1) for n, p in enumerate(parts))]
    (unit,) = depacketize([*packets, packet(b"\x41next", 4, 3000, marker=True)])[:1]
    start = b"\0\0\0\1"
    assert unit.data == start + b"\x67a" + start + b"\x68b" + start + b"\x65onetwothree"
    assert unit.keyframe


def test_a_keyframe_without_parameter_sets_gets_those_of_the_session() -> None:
    first, second = depacketize(
        [packet(b"\x65key", 0, 0, marker=True), packet(b"\x41p", 1, 9, marker=True)]
    )
    start = b"\0\0\0\1"
    assert first.data == start + b"\x67sps" + start + b"\x68pps" + start + b"\x65key"
    assert (second.data, second.keyframe) == (start + b"\x41p", False)


def test_a_lost_fragment_drops_only_its_unit() -> None:
    parts = [packet(b"\x7c\x85one", 0), packet(b"\x7c\x45three", 2), packet(b"\x41p", 3)]
    (unit,) = depacketize([*parts, packet(b"\x41q", 4, 9)])
    assert unit.data == b"\0\0\0\1\x41p"


def test_rtp_timestamps_wrap_around() -> None:
    ticks = [2**32 - 3000, 0, 3000, 2**32 - 6000]
    found = depacketize(packet(b"\x41p", n, t, marker=True) for n, t in enumerate(ticks))
    base = found[0].ticks
    assert [unit.ticks - base for unit in found] == [0, 3000, 6000, -3000]


def test_padding_extensions_and_contributing_sources_are_stripped() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 96 | 0x80, 0, 0, 1)
    extension = struct.pack(">HH", 0xBEDE, 1) + b"ext!"
    (unit,) = depacketize([head + bytes(8) + extension + b"\x41p" + b"\0\0\3"])
    assert unit.data == b"\0\0\0\1\x41p"


def test_an_endless_access_unit_is_refused() -> None:
    def endless() -> Iterable[bytes]:
        yield packet(b"\x7c\x85" + bytes(60_000))
        for number in range(1, 1000):
            yield packet(b"\x7c\x05" + bytes(60_000), number)

    with pytest.raises(UndecodableMedia):
        depacketize(endless())
    with pytest.raises(UndecodableMedia):
        depacketize(packet(b"\x41" + bytes(60_000), n) for n in range(1000))


@given(st.lists(st.binary(max_size=60)), st.sampled_from([H264, H265]))
def test_any_packets_are_accepted(payloads: list[bytes], codec: object) -> None:
    track = replace(TRACK, codec=codec)
    depacketize([packet(p, n) for n, p in enumerate(payloads)] + payloads, track)


def test_packets_of_ffmpeg_are_recorded_despite_losses(h264: Path, tmp_path: Path) -> None:
    chance = random.Random(1)
    track = find_video(description(h264))
    recorder = Recorder(track.codec, tmp_path, 60.0)
    kept = [each for _, each in rtp_packets(h264) if chance.random() > 0.02]
    for unit in depacketize(kept, track):
        assert recorder.add(unit) is None
    segment = recorder.end()
    assert segment is not None
    assert segment.seconds == pytest.approx(SECONDS, abs=0.3)
    assert len(frame_times(segment)) > 6 * SECONDS


def test_the_first_supported_video_is_found() -> None:
    sdp = (
        "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n"
        "m=video 0 RTP/AVP 26\r\na=control:jpeg\r\n"
        "m=video 0 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\n"
        "m=video 0 RTP/AVP 98\r\na=rtpmap:98 h265/90000\r\n"
        "a=fmtp:98 sprop-pps=Yw==; sprop-vps=YQ==;sprop-sps=!!,\xfc\r\na=control:here\r\n"
    )
    assert find_video(sdp) == VideoTrack(H265, 98, "here", (b"a", b"c"))
    for nothing in ("", "m=", "m=video", "m=video 0 RTP/AVP 96\n", "\nm=video 0 RTP/AVP x\na=:"):
        with pytest.raises(UnsupportedMediaType):
            find_video(nothing)


# Recording ---------------------------------------------------------------------------------------


def recorded(given: Iterable[AccessUnit], folder: Path, window_s: float = 2.0) -> list[Segment]:
    recorder = Recorder(H264, folder, window_s)
    return [segment for unit in given if (segment := recorder.add(unit)) is not None]


def units_of(video: Path) -> list[AccessUnit]:
    return depacketize([each for _, each in rtp_packets(video)], find_video(description(video)))


def test_a_segment_ends_at_a_keyframe_or_after_a_minute(h264: Path, tmp_path: Path) -> None:
    key, *others = units_of(h264)
    later = [replace(c, ticks=key.ticks + n * CLOCK_RATE, keyframe=False) for n, c in
             enumerate([*others, *others], 1)]  # fmt: skip
    segments = recorded(
        [key, *later[:70], replace(key, ticks=key.ticks + 80 * CLOCK_RATE)], tmp_path
    )
    assert [round(segment.seconds) for segment in segments] == [60]
    follow = recorded(
        [key, *later[:70], *(replace(key, ticks=key.ticks + n * CLOCK_RATE) for n in (71, 74))],
        tmp_path,
    )
    assert [(round(p.seconds), p.gap) for p in follow] == [
        (60, None),
        (3, "the source sent no keyframe for too long"),
    ]


def test_a_clock_jump_starts_a_new_segment(h264: Path, tmp_path: Path) -> None:
    unit = units_of(h264)
    moved = [replace(c, ticks=c.ticks - 1000 * CLOCK_RATE) for c in unit]
    segments = recorded([*unit[:30], *moved], tmp_path, 4.0)
    assert [(round(p.seconds), p.gap) for p in segments] == [
        (3, None),
        (4, "the source's clock jumped"),
    ]


async def test_a_segment_that_is_replaced_leaves_no_file(tmp_path: Path) -> None:
    queue = NewestQueue[Segment](1, _skip_older)
    for name in "abc":
        (tmp_path / name).touch()
        queue.put(Segment(tmp_path / name, 1.0))
    queue.close()
    assert await queue.get() == Segment(tmp_path / "c", 1.0, "the analysis fell behind")
    assert await queue.get() is None
    assert list(files_in(tmp_path)) == ["c"]
