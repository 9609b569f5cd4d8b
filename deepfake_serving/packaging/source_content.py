"""The content of a source, its errors, and the rules for all sources."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 2**20
CONNECT_S, STALL_S = 10, 60
"""Timeouts in seconds of connecting, and of a connection without data."""


def without_secrets(text: str) -> str:
    """Removes secrets from URLs in a text: queries (signatures) and passwords."""
    return re.sub(r"(?<=//)[^/@\s]+@|(?<=\?)[^\s)'\"]+", "…", text)


class FetchError(Exception):
    """A file that could not be fetched; the message names the source and the reason."""

    def __init__(self, message: str) -> None:
        """Removes secrets from URLs in the message."""
        super().__init__(without_secrets(message))


class SourceUnreachable(FetchError):
    """The source is missing, does not respond, refuses access, or broke off."""


class UnsupportedSource(FetchError):
    """A source that can't or must not be read."""


@dataclass(frozen=True, slots=True)
class Content:
    """An open source: its size in bytes if known, and its chunks of about 1 MiB."""

    size: int | None
    chunks: Iterator[bytes]
    close: Callable[[], None] = lambda: None


def is_loopback(host: str | None) -> bool:
    """Returns whether a host name or address is loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def refuse_plain_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UnsupportedSource(f"{url}: plain http is allowed on loopback only, use https")
