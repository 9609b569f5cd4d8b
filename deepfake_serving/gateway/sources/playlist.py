"""HLS playlists (RFC 8216): what is needed of them to follow a live video.

Left out on purpose, and refused: encrypted segments and byte ranges.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UnsupportedMediaType

LONGEST_SEGMENT_S = 60.0
_MOST_LINES = 1080
"""The height of the variant that is chosen, where there are several."""
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """One file of the stream. `init` is the URI of what must stand before it, as in fragmented MP4;
    `cut` where it does not continue the one before (EXT-X-DISCONTINUITY)."""

    number: int
    uri: str
    seconds: float
    init: str | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Playlist:
    """A media playlist as it is now."""

    segments: list[MediaSegment]
    target_s: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several renditions, each a playlist of its own."""

    uri: str
    bandwidth: int
    lines: int | None


def parse(text: str) -> Playlist | list[Variant]:
    """A media playlist, or the variants of a master playlist.

    Raises:
        UnsupportedMediaType: neither, or one of segments that are not read here.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    if not lines or lines[0] != "#EXTM3U":
        raise UnsupportedMediaType("no HLS playlist: it does not begin with #EXTM3U")
    if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return _variants(lines)
    return _media(lines)


def best(variants: list[Variant]) -> Variant:
    """The finest of at most 1080 lines; where all are larger, the smallest."""
    fitting = [v for v in variants if v.lines is None or v.lines <= _MOST_LINES]
    if fitting:
        return max(fitting, key=lambda variant: variant.bandwidth)
    return min(variants, key=lambda variant: variant.bandwidth)


def _variants(lines: list[str]) -> list[Variant]:
    found = []
    for line, uri in itertools.pairwise(lines):
        if line.startswith("#EXT-X-STREAM-INF:") and uri and not uri.startswith("#"):
            said = _attributes(line)
            _, _, height = said.get("RESOLUTION", "").partition("x")
            found.append(Variant(uri, _whole(said.get("BANDWIDTH")), _whole(height) or None))
    if not found:
        raise UnsupportedMediaType("the HLS playlist names no variant")
    return found


def _media(lines: list[str]) -> Playlist:
    segments: list[MediaSegment] = []
    number, target_s, seconds = 0, 0.0, 0.0
    init: str | None = None
    cut = missing = ended = False
    for line in lines:
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-MEDIA-SEQUENCE":
                number = _whole(value)
            case "#EXT-X-TARGETDURATION":
                target_s = _seconds(value)
            case "#EXTINF":
                seconds = _seconds(value.partition(",")[0])
            case "#EXT-X-DISCONTINUITY":
                cut = True
            case "#EXT-X-GAP":
                missing = True
            case "#EXT-X-MAP":
                init = _map(line)
            case "#EXT-X-KEY":
                _refuse_keys(line)
            case "#EXT-X-BYTERANGE":
                raise UnsupportedMediaType("HLS by byte ranges is not read here")
            case "#EXT-X-ENDLIST":
                ended = True
        if line and not line.startswith("#"):
            if not missing:
                segments.append(MediaSegment(number, line, seconds, init, cut))
            number, seconds, cut, missing = number + 1, 0.0, missing, False
    return Playlist(segments, target_s, ended)


def _map(line: str) -> str:
    said = _attributes(line)
    if "BYTERANGE" in said or not said.get("URI"):
        raise UnsupportedMediaType("HLS by byte ranges is not read here")
    return said["URI"]


def _refuse_keys(line: str) -> None:
    if _attributes(line).get("METHOD") != "NONE":
        raise UnsupportedMediaType("encrypted HLS is not read here")


def _attributes(line: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def _whole(text: str | None) -> int:
    """At most fifteen digits: nothing longer is meant seriously."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return min(max(value, 0.0), LONGEST_SEGMENT_S) if math.isfinite(value) else 0.0
