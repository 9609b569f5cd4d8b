"""Byte ranges of HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last that `Range` asks for; None for the whole.

    What is malformed, of another unit, of several ranges, or lies beyond the end is ignored, as the
    RFC lets a server do.
    """
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), size if not last else min(size, int(last) + 1)
    return (begin, end) if begin < end else None
