"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Yields a temporary file that replaces `target` if the block succeeds, else is deleted.

    Raises:
        OSError: with the name of `target`, where it can't be written.
    """
    partial: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        os.replace(partial, target)
    except BaseException as error:  # also KeyboardInterrupt
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and _is_hidden(error.filename):
            raise type(error)(error.errno, error.strerror, str(target)) from error
        raise


def _is_hidden(name: object) -> bool:
    """Returns whether an error names no file, or the temporary one."""
    return name is None or str(name).endswith(".part")
