"""Byte ranges of HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Parses a `Range` header.

    Returns:
        The first byte and the one after the last; None for the whole. A range that is malformed,
        not in bytes, one of several, or beyond the end is ignored, as the RFC permits.
    """
    match = _SINGLE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), size if not last else min(size, int(last) + 1)
    return (begin, end) if begin < end else None
