"""Fetches a model or weights, verifies the sha256 and replaces the target atomically."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.packaging.replacing import READABLE, replacing
from deepfake_serving.packaging.source_content import (
    Content,
    FetchError,
    SourceUnreachable,
    UnsupportedSource,
)
from deepfake_serving.packaging.sources import open_source

__all__ = [
    "MAX_BYTES",
    "DigestMismatch",
    "FetchError",
    "OnProgress",
    "SourceUnreachable",
    "UnsupportedSource",
    "download",
    "fetch",
    "shown_progress",
]

logger = logging.getLogger(__name__)

MAX_BYTES = 4 * 2**30

OnProgress = Callable[[int, int | None], None]
"""Called with the number of bytes fetched and, if known, the total."""


class DigestMismatch(FetchError):
    """The fetched file has another digest than the expected one; digests are 64 hex digits."""

    def __init__(self, source: str, expected: str, actual: str) -> None:
        super().__init__(f"{source}: sha256 {actual} instead of {expected}")
        self.expected, self.actual = expected, actual


def fetch(
    source: str,
    target: Path,
    sha256: str,
    *,
    progress: OnProgress = lambda done, total: None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Fetches `source` (see `sources`) to `target`, unless `target` already has the digest.

    `sha256` is 64 hex digits, with or without the prefix `sha256:`. On failure `target` is
    unchanged and no other file is left. Blocks: within an event loop, call it in a thread.

    Raises:
        DigestMismatch: the source has another file.
        SourceUnreachable: the source is missing, refuses access, or breaks off.
        UnsupportedSource: the kind of source is not supported.
        FetchError: the file exceeds `max_bytes`, or `sha256` is malformed.
        OSError: `target` can't be written.
    """
    expected_digest = _parse_digest(sha256)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.is_file() and digest_of(target) == f"sha256:{expected_digest}":
        return target
    with closing(open_source(source)) as content, replacing(target, READABLE) as stream:
        actual_digest = _copy(content, stream, progress, max_bytes, source)
        if actual_digest != expected_digest:
            raise DigestMismatch(source, expected_digest, actual_digest)
    return target


def download(
    source: str,
    target: Path,
    *,
    progress: OnProgress = lambda done, total: None,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Fetches `source` to `target` whatever its digest, and returns the sha256 in hex.

    For a source whose digest is not known yet; otherwise as `fetch`.

    Raises:
        FetchError, OSError: as `fetch`.
    """
    with closing(open_source(source)) as content, replacing(target, READABLE) as stream:
        return _copy(content, stream, progress, max_bytes, source)


def _parse_digest(text: str) -> str:
    match = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})", text.strip().lower())
    if match is None:
        raise FetchError(f"not a sha256 (64 hex digits): {text!r}")
    return match[1]


def _copy(
    content: Content, stream: IO[bytes], progress: OnProgress, max_bytes: int, label: str
) -> str:
    """Copies chunk by chunk and returns the sha256 of the content."""
    digest, done = hashlib.sha256(), 0
    _check_size(content.size or 0, max_bytes, label)
    progress(done, content.size)
    for chunk in content.chunks:
        done += len(chunk)
        _check_size(done, max_bytes, label)  # the stated size may be missing or wrong
        digest.update(chunk)
        stream.write(chunk)
        progress(done, content.size)
    return digest.hexdigest()


def _check_size(size: int, max_bytes: int, label: str) -> None:
    if size > max_bytes:
        raise FetchError(f"{label}: larger than the limit of {max_bytes} bytes")


@contextmanager
def shown_progress(label: str, console: Console | None = None) -> Iterator[OnProgress]:
    """Shows a fetch on stderr: as a progress bar on a terminal, else as one log line at the end."""
    console = console or Console(stderr=True)
    with _bar(label, console) if console.is_terminal else _log_line(label) as on_progress:
        yield on_progress


@contextmanager
def _bar(label: str, console: Console) -> Iterator[OnProgress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _log_line(label: str) -> Iterator[OnProgress]:
    started, sizes = time.monotonic(), [-1]

    def remember(done: int, total: int | None) -> None:
        sizes[0] = done

    yield remember
    if sizes[0] < 0:
        logger.info("%s: exists already", label)
    else:
        logger.info(
            "%s: fetched %s in %.1f s", label, decimal(sizes[0]), time.monotonic() - started
        )
