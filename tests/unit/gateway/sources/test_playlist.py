"""Parsing of HLS playlists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.gateway.sources.playlist import (
    MAX_SEGMENT_S,
    MediaSegment,
    Playlist,
    parse_playlist,
    select_variant,
)

LIVE = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-MAP:URI="init.mp4"
#EXTINF:5.005,a title, with a comma
a.m4s?x=1
#EXT-X-GAP
#EXTINF:6,
b.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z
#EXTINF:6,
c.m4s
"""


def test_a_media_playlist_is_parsed() -> None:
    playlist = parse_playlist(LIVE)
    assert playlist == Playlist(
        [
            MediaSegment(41, "a.m4s?x=1", 5.005, "init.mp4", False),
            MediaSegment(43, "c.m4s", 6.0, "init.mp4", True),  # after a gap
        ],
        6.0,
        False,
    )
    ended = parse_playlist(
        LIVE.replace("\n", "\r\n") + "#EXT-X-DISCONTINUITY\r\n#EXT-X-ENDLIST\r\n"
    )
    assert isinstance(ended, Playlist)
    assert ended.ended


def test_the_best_variant_up_to_1080_lines_is_selected() -> None:
    playlist = parse_playlist(
        "#EXTM3U\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,CODECS="avc1.6,mp4a.4"\nuhd\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,URI="sound",GROUP-ID="a"\n'
        "#EXT-X-STREAM-INF:RESOLUTION=1280x720,BANDWIDTH=2000000\nhd\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\nsd\n"
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=99999999,URI="frames"\n'
    )
    assert isinstance(playlist, list)
    assert [variant.uri for variant in playlist] == ["uhd", "hd", "sd"]
    assert select_variant(playlist).uri == "hd"
    assert select_variant(playlist[:1]).uri == "uhd"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "#EXTM3U8",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://169.254.169.254/"\n#EXTINF:1,\na\n',
        "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:100@0\na\n",
        '#EXTM3U\n#EXT-X-MAP:URI="a",BYTERANGE="1@0"\n#EXTINF:1,\na\n',
        "#EXTM3U\n#EXT-X-MAP:\n#EXTINF:1,\na\n",
    ],
)
def test_unsupported_playlists_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_playlist(text)


def test_absurd_numbers_are_limited() -> None:
    playlist = parse_playlist(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:" + "9" * 5000 + "\n#EXT-X-TARGETDURATION:1e308\n"
        "#EXTINF:inf,\na\n#EXTINF:nan,\nb\n#EXTINF:-5,\nc\n#EXTINF:1e300,\nd\n"
    )
    assert isinstance(playlist, Playlist)
    assert playlist.target_s == MAX_SEGMENT_S
    assert [s.seconds for s in playlist.segments] == [0.0, 0.0, 0.0, MAX_SEGMENT_S]
    assert [s.sequence for s in playlist.segments] == [0, 1, 2, 3]


LINES = st.sampled_from([*LIVE.splitlines(), "#EXT-X-STREAM-INF:BANDWIDTH=٣", "#EXT-X-KEY:", ":"])


@given(st.lists(st.one_of(LINES, st.text(max_size=40))))
def test_any_text_is_parsed_or_refused(lines: list[str]) -> None:
    try:
        playlist = parse_playlist("\n".join(["#EXTM3U", *lines]))
    except UnsupportedMediaType:
        return
    if isinstance(playlist, Playlist):
        assert all(0 <= s.seconds <= MAX_SEGMENT_S for s in playlist.segments)
