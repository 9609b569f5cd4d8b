"""RTP packets put together to pictures, pictures recorded to files; whole, lost and hostile."""

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
from deepfake_serving.gateway.sources.newest import Newest
from deepfake_serving.gateway.sources.recording import Recording
from deepfake_serving.gateway.sources.rtp import CLOCK, AccessUnit, Pictures
from deepfake_serving.gateway.sources.sdp import Track, video_of
from deepfake_serving.gateway.sources.segment import Segment
from tests.support.media_servers import description, rtp_packets
from tests.unit.gateway.sources.conftest import SECONDS, files_in, shown

TRACK = Track(H264, 96, "*", (b"\x67sps", b"\x68pps"))


def packet(payload: bytes, number: int = 0, ticks: int = 0, *, marker: bool = False) -> bytes:
    return struct.pack(">BBHII", 0x80, 96 | marker << 7, number, ticks, 1) + payload


def put_together(packets: Iterable[bytes], track: Track = TRACK) -> list[AccessUnit]:
    pictures = Pictures(track)
    return [coded for each in packets for coded in pictures.add(each)]


def test_units_alone_together_and_in_parts() -> None:
    """RFC 6184, figures 4, 7 and 14."""
    together = b"\x18" + b"".join(struct.pack(">H", len(u)) + u for u in (b"\x67a", b"\x68b"))
    parts = [b"\x7c\x85one", b"\x7c\x05two", b"\x7c\x45three"]
    packets = [packet(together), *(packet(p, n + 1) for n, p in enumerate(parts))]
    (coded,) = put_together([*packets, packet(b"\x41next", 4, 3000, marker=True)])[:1]
    start = b"\0\0\0\1"
    assert coded.data == start + b"\x67a" + start + b"\x68b" + start + b"\x65onetwothree"
    assert coded.keyframe


def test_a_keyframe_gets_the_session_s_parameter_sets_once() -> None:
    first, second = put_together(
        [packet(b"\x65key", 0, 0, marker=True), packet(b"\x41p", 1, 9, marker=True)]
    )
    start = b"\0\0\0\1"
    assert first.data == start + b"\x67sps" + start + b"\x68pps" + start + b"\x65key"
    assert (second.data, second.keyframe) == (start + b"\x41p", False)


def test_what_is_lost_of_a_unit_takes_only_that_along() -> None:
    parts = [packet(b"\x7c\x85one", 0), packet(b"\x7c\x45three", 2), packet(b"\x41p", 3)]
    (coded,) = put_together([*parts, packet(b"\x41q", 4, 9)])
    assert coded.data == b"\0\0\0\1\x41p"


def test_the_clock_goes_round() -> None:
    ticks = [2**32 - 3000, 0, 3000, 2**32 - 6000]
    found = put_together(packet(b"\x41p", n, t, marker=True) for n, t in enumerate(ticks))
    base = found[0].ticks
    assert [coded.ticks - base for coded in found] == [0, 3000, 6000, -3000]


def test_padding_extensions_and_sources_stand_around_a_payload() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 96 | 0x80, 0, 0, 1)
    extension = struct.pack(">HH", 0xBEDE, 1) + b"ext!"
    (coded,) = put_together([head + bytes(8) + extension + b"\x41p" + b"\0\0\3"])
    assert coded.data == b"\0\0\0\1\x41p"


def test_a_picture_without_end_is_given_up() -> None:
    def endless() -> Iterable[bytes]:
        yield packet(b"\x7c\x85" + bytes(60_000))
        for number in range(1, 1000):
            yield packet(b"\x7c\x05" + bytes(60_000), number)

    with pytest.raises(UndecodableMedia):
        put_together(endless())
    with pytest.raises(UndecodableMedia):
        put_together(packet(b"\x41" + bytes(60_000), n) for n in range(1000))


@given(st.lists(st.binary(max_size=60)), st.sampled_from([H264, H265]))
def test_whatever_comes_is_a_picture_or_nothing(payloads: list[bytes], codec: object) -> None:
    track = replace(TRACK, codec=codec)
    put_together([packet(p, n) for n, p in enumerate(payloads)] + payloads, track)


def test_ffmpeg_s_packets_with_some_lost_are_still_recorded(h264: Path, tmp_path: Path) -> None:
    chance = random.Random(1)
    track = video_of(description(h264))
    recording = Recording(track.codec, tmp_path, 60.0)
    kept = [each for _, each in rtp_packets(h264) if chance.random() > 0.02]
    for coded in put_together(kept, track):
        assert recording.add(coded) is None
    piece = recording.end()
    assert piece is not None
    assert piece.seconds == pytest.approx(SECONDS, abs=0.3)
    assert len(shown(piece)) > 6 * SECONDS


def test_a_session_s_video_is_found() -> None:
    sdp = (
        "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n"
        "m=video 0 RTP/AVP 26\r\na=control:jpeg\r\n"
        "m=video 0 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\n"
        "m=video 0 RTP/AVP 98\r\na=rtpmap:98 h265/90000\r\n"
        "a=fmtp:98 sprop-pps=Yw==; sprop-vps=YQ==;sprop-sps=!!\r\na=control:here\r\n"
    )
    assert video_of(sdp) == Track(H265, 98, "here", (b"a", b"c"))
    for nothing in ("", "m=", "m=video", "m=video 0 RTP/AVP 96\n", "\nm=video 0 RTP/AVP x\na=:"):
        with pytest.raises(UnsupportedMediaType):
            video_of(nothing)


# Recording ---------------------------------------------------------------------------------------


def recorded(given: Iterable[AccessUnit], folder: Path, window_s: float = 2.0) -> list[Segment]:
    recording = Recording(H264, folder, window_s)
    return [piece for coded in given if (piece := recording.add(coded)) is not None]


def coded_of(video: Path) -> list[AccessUnit]:
    return put_together([each for _, each in rtp_packets(video)], video_of(description(video)))


def test_a_piece_ends_at_a_keyframe_or_after_a_minute(h264: Path, tmp_path: Path) -> None:
    key, *others = coded_of(h264)
    later = [replace(c, ticks=key.ticks + n * CLOCK, keyframe=False) for n, c in
             enumerate([*others, *others], 1)]  # fmt: skip
    pieces = recorded([key, *later[:70], replace(key, ticks=key.ticks + 80 * CLOCK)], tmp_path)
    assert [round(piece.seconds) for piece in pieces] == [60]
    follow = recorded(
        [key, *later[:70], *(replace(key, ticks=key.ticks + n * CLOCK) for n in (71, 74))], tmp_path
    )
    assert [(round(p.seconds), p.gap) for p in follow] == [
        (60, None),
        (3, "the source sent no keyframe for long"),
    ]


def test_a_clock_that_jumps_begins_anew(h264: Path, tmp_path: Path) -> None:
    coded = coded_of(h264)
    moved = [replace(c, ticks=c.ticks - 1000 * CLOCK) for c in coded]
    pieces = recorded([*coded[:30], *moved], tmp_path, 4.0)
    assert [(round(p.seconds), p.gap) for p in pieces] == [
        (3, None),
        (4, "the source's clock jumped"),
    ]


async def test_a_piece_that_is_replaced_leaves_no_file(tmp_path: Path) -> None:
    newest = Newest()
    for name in "abc":
        (tmp_path / name).touch()
        newest.put(Segment(tmp_path / name, 1.0))
    newest.put(None)
    newest.close()
    assert await newest.get() == Segment(tmp_path / "c", 1.0, "the analysis fell behind")
    assert await newest.get() is None
    assert list(files_in(tmp_path)) == ["c"]
