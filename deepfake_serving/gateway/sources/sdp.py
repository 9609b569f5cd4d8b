"""Session descriptions (RFC 8866) as RTSP gives them: the one video that is read here."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.gateway.sources.codecs import CODECS, Codec

_RTPMAP = re.compile(r"(\d{1,3})\s+([A-Za-z0-9-]+)/(\d+)")
_SETS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
"""Parameters of H.265 (RFC 7798, section 7.1) and H.264 (RFC 6184, section 8.1), in their order."""


@dataclass(frozen=True, slots=True)
class Track:
    """A video: `control` is what its SETUP asks for, `sets` are its parameter sets as NAL units."""

    codec: Codec
    payload_type: int
    control: str
    sets: tuple[bytes, ...] = ()


def video_of(text: str) -> Track:
    """The first video whose codec is read here.

    Raises:
        UnsupportedMediaType: there is none.
    """
    _, *media = re.split(r"(?m)^m=", text)
    for section in media:
        match section.partition("\n")[0].split():
            case ["video", _, "RTP/AVP" | "RTP/AVPF", payload, *_]:
                if (track := _track(section, payload)) is not None:
                    return track
    raise UnsupportedMediaType("the source has no video in H.264 or H.265 over plain RTP")


def _track(section: str, payload: str) -> Track | None:
    given: dict[str, str] = {}
    for line in section.splitlines():
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            given.setdefault(name, value.strip())
    found = _RTPMAP.match(given.get("rtpmap", ""))
    codec = CODECS.get(found[2].upper()) if found and found[1] == payload else None
    if codec is None:
        return None
    return Track(codec, int(payload), given.get("control", "*"), _sets(given.get("fmtp", "")))


def _sets(fmtp: str) -> tuple[bytes, ...]:
    """What can be read of them; a source may as well send them in its stream."""
    _, _, parameters = fmtp.partition(" ")
    said = dict(each.strip().partition("=")[::2] for each in parameters.split(";"))
    found = []
    for name in _SETS:
        for coded in filter(None, said.get(name, "").split(",")):
            try:
                found.append(base64.b64decode(coded, validate=True))
            except binascii.Error:
                continue
    return tuple(found)
