"""URL schemes that are always live sources."""

from __future__ import annotations

RTSP_SCHEMES = {"rtsp": 554, "rtsps": 322}
"""Schemes and their default ports (RFC 7826, section 4.2)."""


def is_rtsp(url: str) -> bool:
    """Returns whether the URL's scheme is RTSP."""
    return url.partition(":")[0].lower() in RTSP_SCHEMES
