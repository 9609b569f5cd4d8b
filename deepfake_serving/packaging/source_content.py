"""The content of a source, its errors, and the rules for all sources."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 2**20
CONNECT_S, STALL_S = 10, 60
"""Bounds on connecting, and on a connection that brings nothing."""


class FetchError(Exception):
    """A file that could not be fetched; the message names the source and the reason."""

    def __init__(self, message: str) -> None:
        """Takes out what may be secret in the message's URLs: queries (signatures), passwords."""
        super().__init__(re.sub(r"(?<=//)[^/@\s]+@|(?<=\?)[^\s)'\"]+", "…", message))


class SourceUnreachable(FetchError):
    """The source is not there, does not answer, refuses, or broke off."""


class UnsupportedSource(FetchError):
    """A source that can't be, or must not be, read at all."""


@dataclass(frozen=True, slots=True)
class Content:
    """An open source: its size in bytes where known, its chunks (about 1 MiB), and its end."""

    size: int | None
    chunks: Iterator[bytes]
    close: Callable[[], None] = lambda: None


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def refuse_plain_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UnsupportedSource(f"{url}: plain http is for loopback only, use https")
