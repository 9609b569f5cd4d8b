"""Reads the files of a chunk, ahead of their analysis."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import obstore
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from deepfake_serving.cli.bulk.stores import is_remote, locate
from deepfake_serving.cli.bulk.tables import Source
from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge
from deepfake_serving.contracts.reasons import reason_of

Content = tuple[Source, bytes | Problem]

_FINAL = (FileNotFoundError, PermissionDeniedError, UnauthenticatedError, ValueError)
"""Errors of one file, which would come again. ValueError: no file can have its name."""

_READERS = 8
_BATCHES_AHEAD = 2
_CHUNK_BYTES = 4 * 2**20


def batches(paths: Sequence[str], size: int, max_bytes: int) -> Iterator[list[Content]]:
    """Yields the contents of `size` files each, in order; two batches are read ahead.

    A file that is missing or too large has a problem instead of bytes. A store that does not
    respond, after obstore's own retries, ends the iteration with its error: the chunk stays undone.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        pending: deque[list[Future[Content]]] = deque()
        for start in range(0, len(paths), size):
            batch = paths[start : start + size]
            pending.append([pool.submit(_read, path, max_bytes) for path in batch])
            if len(pending) > _BATCHES_AHEAD:
                yield [future.result() for future in pending.popleft()]
        while pending:
            yield [future.result() for future in pending.popleft()]


def _read(path: str, max_bytes: int) -> Content:
    try:
        with _reading(path):
            data = _remote(path, max_bytes) if is_remote(path) else _local(path, max_bytes)
    except Problem as problem:
        return Source(path), problem
    return Source(path, len(data), hashlib.sha256(data).hexdigest()), data


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Raises `InvalidRequest` for a file that can't be read; a store's failure keeps its error."""
    try:
        yield
    except _FINAL as error:
        raise _unreadable(error) from error
    except OSError as error:
        if is_remote(path):
            raise
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> InvalidRequest:
    if isinstance(error, FileNotFoundError):
        reason = "there is none"
    elif isinstance(error, OSError | ValueError):
        reason = reason_of(error)
    else:
        reason = "access is denied"
    return InvalidRequest(f"the file can't be read: {reason}")


def _local(path: str, max_bytes: int) -> bytes:
    with Path(path).open("rb") as stream:
        return _within(stream.read(max_bytes + 1), max_bytes)


def _remote(path: str, max_bytes: int) -> bytes:
    store, _, key = locate(path)
    result = obstore.get(store, key)
    if result.meta["size"] > max_bytes:
        raise _too_large(max_bytes)
    return bytes(result.bytes())


def _within(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return data


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the image has more than the limit of {max_bytes} bytes")


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[tuple[Path, Source]]:
    """Yields a video's path on this machine, and its size and digest; a copy is removed after use.

    Raises:
        InvalidRequest: the file can't be read.
    """
    with contextlib.ExitStack() as stack:
        with _reading(path):
            if is_remote(path):
                copy = stack.enter_context(tempfile.NamedTemporaryFile(suffix=Path(path).suffix))
                found = Path(copy.name), _download(path, copy)
            else:
                found = Path(path), _described(path)
        yield found


def _described(path: str) -> Source:
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Source(path, stream.tell(), digest)


def _download(path: str, target: IO[bytes]) -> Source:
    store, _, key = locate(path)
    result, digest, size = obstore.get(store, key), hashlib.sha256(), 0
    for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    target.flush()
    return Source(path, size, digest.hexdigest())
