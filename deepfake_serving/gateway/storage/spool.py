"""What is received, kept in memory while it is small and in a file from then on."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from pathlib import Path
from typing import IO

from deepfake_serving.contracts.problems import Internal, Problem, StorageFull, TooLarge

_IN_MEMORY = 2**20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """A place for the media of one request, all of which are gone when its context ends."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes` bounds each of them."""
        self.most_bytes = most_bytes
        self._folder = tempfile.TemporaryDirectory(prefix="deepfake-upload-")
        self._parts: list[Part] = []

    def new(self, name: str | None) -> Part:
        """A place for one more."""
        part = Part(name, self.most_bytes, Path(self._folder.name))
        self._parts.append(part)
        return part

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            part.close()
        self._folder.cleanup()


class Part:
    """One medium: its name as the caller gave it, its size in bytes and its digest (`sha256:…`)."""

    def __init__(self, name: str | None, most_bytes: int, folder: Path) -> None:
        self.name, self.most_bytes = name, most_bytes
        self.size = 0
        self._sum = hashlib.sha256()
        self._stream: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - the spool closes it
            _IN_MEMORY, dir=str(folder)
        )

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"

    def write(self, data: bytes) -> None:
        """Adds to it.

        Raises:
            TooLarge
            StorageFull
        """
        self.size += len(data)
        if self.size > self.most_bytes:
            raise TooLarge(f"the file is larger than the bound of {self.most_bytes} bytes")
        self._sum.update(data)
        try:
            self._stream.write(data)
        except OSError as error:
            raise unwritten(error) from error

    async def content(self) -> bytes:
        """All of it, which must fit into the memory: pictures do."""
        self._stream.seek(0)
        return self._stream.read()

    def file(self) -> IO[bytes]:
        """From its beginning."""
        self._stream.seek(0)
        return self._stream

    def close(self) -> None:
        """Forgets it."""
        self._stream.close()


def unwritten(error: OSError) -> Problem:
    """What could not be written here is never the caller's fault."""
    if error.errno in _FULL:
        return StorageFull("there is no room for what was sent")
    return Internal("what was sent could not be kept")
