"""The fetched file, and snapshots of the target folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BODY = bytes(range(256)) * 10_000  # 2.4 MiB: several chunks
OTHER = b"another file"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


DIGEST = sha256(BODY)


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Returns contents and modification times (ns) of all files of a directory, by name."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir()}


@contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    before = snapshot(directory)
    yield
    assert snapshot(directory) == before
