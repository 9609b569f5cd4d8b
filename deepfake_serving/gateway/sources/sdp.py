"""Session descriptions (RFC 8866) of RTSP servers: finds the first supported video."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.gateway.sources.codecs import CODECS, Codec

_RTPMAP = re.compile(r"(\d{1,3})\s+([A-Za-z0-9-]+)/(\d+)")
_PARAMETER_SETS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
"""Format parameters of H.265 (RFC 7798, section 7.1) and H.264 (RFC 6184, section 8.1)."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A video. `control` is the URL of its SETUP, `parameter_sets` are NAL units."""

    codec: Codec
    payload_type: int
    control: str
    parameter_sets: tuple[bytes, ...] = ()


def find_video(text: str) -> VideoTrack:
    """Returns the first video with a supported codec.

    Raises:
        UnsupportedMediaType: there is none.
    """
    _, *media = re.split(r"(?m)^m=", text)
    for section in media:
        match section.partition("\n")[0].split():
            case ["video", _, "RTP/AVP" | "RTP/AVPF", payload, *_]:
                if (track := _parse_track(section, payload)) is not None:
                    return track
    raise UnsupportedMediaType("the source has no video in H.264 or H.265 over plain RTP")


def _parse_track(section: str, payload: str) -> VideoTrack | None:
    attributes: dict[str, str] = {}
    for line in section.splitlines():
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            attributes.setdefault(name, value.strip())
    rtpmap = _RTPMAP.match(attributes.get("rtpmap", ""))
    codec = CODECS.get(rtpmap[2].upper()) if rtpmap and rtpmap[1] == payload else None
    if codec is None:
        return None
    parameter_sets = _parse_parameter_sets(attributes.get("fmtp", ""))
    return VideoTrack(codec, int(payload), attributes.get("control", "*"), parameter_sets)


def _parse_parameter_sets(fmtp: str) -> tuple[bytes, ...]:
    """Ignores invalid parameter sets, since the source may also send them in its stream."""
    _, _, parameters = fmtp.partition(" ")
    values = dict(each.strip().partition("=")[::2] for each in parameters.split(";"))
    units = []
    for name in _PARAMETER_SETS:
        for encoded in filter(None, values.get(name, "").split(",")):
            try:
                units.append(base64.b64decode(encoded, validate=True))
            except ValueError:  # not base64, or not even ASCII
                continue
    return tuple(units)
