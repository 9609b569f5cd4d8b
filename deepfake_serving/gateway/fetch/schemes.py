"""Which URLs are live sources by their scheme alone."""

from __future__ import annotations

RTSP_SCHEMES = {"rtsp": 554, "rtsps": 322}
"""And their ports (RFC 7826, section 4.2)."""


def is_rtsp(url: str) -> bool:
    return url.partition(":")[0].lower() in RTSP_SCHEMES
