"""Files of a request: in memory while they are small, then on disk."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from typing import IO

from deepfake_serving.contracts.problems import Internal, Problem, StorageFull, TooLarge

_MAX_MEMORY_BYTES = 2**20
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """The files of one request. All are deleted when the context ends."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` limits each file."""
        self.max_bytes = max_bytes
        self._files: list[SpooledFile] = []

    def create(self, name: str | None) -> SpooledFile:
        """Creates an empty file with this display name."""
        file = SpooledFile(name, self.max_bytes)
        self._files.append(file)
        return file

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()


class SpooledFile:
    """A file: its display name, size in bytes and digest (`sha256:…`).

    On disk it has no name, so that it ends with the process, however that ends.
    """

    def __init__(self, name: str | None, max_bytes: int) -> None:
        self.name, self.max_bytes = name, max_bytes
        self.size = 0
        self._hash = hashlib.sha256()
        self._stream: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by the spool
            _MAX_MEMORY_BYTES
        )

    @property
    def digest(self) -> str:
        """The digest of all bytes written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> None:
        """Appends bytes.

        Raises:
            TooLarge, StorageFull
        """
        self.size += len(data)
        if self.size > self.max_bytes:
            raise TooLarge(f"the file is larger than the limit of {self.max_bytes} bytes")
        self._hash.update(data)
        try:
            self._stream.write(data)
        except OSError as error:
            raise write_problem(error) from error

    async def content(self) -> bytes:
        """Reads all of it into memory; meant for images."""
        self._stream.seek(0)
        return self._stream.read()

    def file(self) -> IO[bytes]:
        """Returns the stream, at its beginning."""
        self._stream.seek(0)
        return self._stream

    def close(self) -> None:
        """Deletes the file."""
        self._stream.close()


def write_problem(error: OSError) -> Problem:
    """Maps a failed write, which is never the client's fault, to a problem."""
    if error.errno in _DISK_FULL:
        return StorageFull("there is no space left for the upload")
    return Internal("the upload could not be stored")
