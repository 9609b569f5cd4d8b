"""Files that are written whole or not at all, as on a full disk."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

READABLE = 0o644
"""Permissions of archives, which servers of other users read."""


@contextmanager
def replacing(target: Path, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Yields a temporary file that replaces `target` if the block succeeds, else is deleted.

    Args:
        mode: the permissions of the file; None: those of any new file.

    Raises:
        OSError: with the name of `target`, where it can't be written. An earlier file of that name
            is as it was.
    """
    partial = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        partial.replace(target)
    except BaseException as error:  # also KeyboardInterrupt
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            raise type(error)(error.errno, error.strerror, str(target)) from error
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as stream:
        stream.write(data)
