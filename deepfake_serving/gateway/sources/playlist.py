"""HLS playlists (RFC 8216), as far as a live video needs them.

Encrypted segments and byte ranges are refused.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UnsupportedMediaType

MAX_SEGMENT_S = 60.0
_MAX_HEIGHT = 1080
"""Height of the variant that is selected, if there are several."""
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """A media segment.

    `init` is the URI of its initialisation section, as in fragmented MP4. `discontinuity` means
    that it does not continue the previous segment (EXT-X-DISCONTINUITY).
    """

    sequence: int
    uri: str
    seconds: float
    init: str | None = None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Playlist:
    """A media playlist at one point in time."""

    segments: list[MediaSegment]
    target_s: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several renditions, each with its own playlist."""

    uri: str
    bandwidth: int
    height: int | None


def parse_playlist(text: str) -> Playlist | list[Variant]:
    """Parses a media playlist, or the variants of a master playlist.

    Raises:
        UnsupportedMediaType: the text is neither, or its segments are not supported.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    if not lines or lines[0] != "#EXTM3U":
        raise UnsupportedMediaType("not an HLS playlist: it does not start with #EXTM3U")
    if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return _parse_variants(lines)
    return _parse_media(lines)


def select_variant(variants: list[Variant]) -> Variant:
    """Selects the highest bandwidth up to 1080 lines, or the lowest if all are larger."""
    fitting = [v for v in variants if v.height is None or v.height <= _MAX_HEIGHT]
    if fitting:
        return max(fitting, key=lambda variant: variant.bandwidth)
    return min(variants, key=lambda variant: variant.bandwidth)


def _parse_variants(lines: list[str]) -> list[Variant]:
    variants = []
    for line, uri in itertools.pairwise(lines):
        if line.startswith("#EXT-X-STREAM-INF:") and uri and not uri.startswith("#"):
            attributes = _attributes(line)
            _, _, height = attributes.get("RESOLUTION", "").partition("x")
            bandwidth = _integer(attributes.get("BANDWIDTH"))
            variants.append(Variant(uri, bandwidth, _integer(height) or None))
    if not variants:
        raise UnsupportedMediaType("the HLS playlist names no variant")
    return variants


def _parse_media(lines: list[str]) -> Playlist:
    segments: list[MediaSegment] = []
    sequence, target_s, seconds = 0, 0.0, 0.0
    init: str | None = None
    discontinuity = missing = ended = False
    for line in lines:
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-MEDIA-SEQUENCE":
                sequence = _integer(value)
            case "#EXT-X-TARGETDURATION":
                target_s = _seconds(value)
            case "#EXTINF":
                seconds = _seconds(value.partition(",")[0])
            case "#EXT-X-DISCONTINUITY":
                discontinuity = True
            case "#EXT-X-GAP":
                missing = True
            case "#EXT-X-MAP":
                init = _parse_map(line)
            case "#EXT-X-KEY":
                _check_key(line)
            case "#EXT-X-BYTERANGE":
                raise UnsupportedMediaType("HLS byte ranges are not supported")
            case "#EXT-X-ENDLIST":
                ended = True
        if line and not line.startswith("#"):
            if not missing:
                segments.append(MediaSegment(sequence, line, seconds, init, discontinuity))
            sequence, seconds = sequence + 1, 0.0
            discontinuity, missing = missing, False
    return Playlist(segments, target_s, ended)


def _parse_map(line: str) -> str:
    attributes = _attributes(line)
    if "BYTERANGE" in attributes or not attributes.get("URI"):
        raise UnsupportedMediaType("HLS byte ranges are not supported")
    return attributes["URI"]


def _check_key(line: str) -> None:
    if _attributes(line).get("METHOD") != "NONE":
        raise UnsupportedMediaType("encrypted HLS is not supported")


def _attributes(line: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def _integer(text: str | None) -> int:
    """Parses an integer of at most fifteen digits; 0 for anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return min(max(value, 0.0), MAX_SEGMENT_S) if math.isfinite(value) else 0.0
