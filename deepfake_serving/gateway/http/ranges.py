"""Byte ranges and conditions of HTTP (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

from deepfake_serving.contracts.problems import UnsatisfiableRange

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Parses a `Range` header.

    Returns:
        The first byte and the one after the last; None for the whole. A range that is malformed,
        not in bytes, or one of several is ignored, as the RFC permits.

    Raises:
        UnsatisfiableRange: it begins after the end, as that of a finished download does.
    """
    match = _SINGLE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), size if not last else min(size, int(last) + 1)
    if begin >= end:
        raise UnsatisfiableRange(f"the file has {size} bytes, none of them in this range")
    return begin, end


def has_tag(header: str | None, tag: str | None) -> bool:
    """Returns whether an entity tag is in an `If-None-Match` header, which may be `*`."""
    if header is None or tag is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in header.split(",")]
    return tags == ["*"] or tag in tags
