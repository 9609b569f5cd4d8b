"""Untrusted texts: short, and of one line."""

from __future__ import annotations

from typing import Any

_MAX_LENGTH = 200


def short(value: Any) -> str | None:
    """Returns a text without control characters, at most 200 characters; None if it is empty."""
    if not isinstance(value, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in value[: 4 * _MAX_LENGTH])
    return " ".join(printable.split())[:_MAX_LENGTH] or None


def term(value: Any) -> str | None:
    """Returns the last part of a term's URI, e.g. of an IPTC digital source type."""
    text = short(value)
    return text.rstrip("/").rpartition("/")[2] or None if text else None
