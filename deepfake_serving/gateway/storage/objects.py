"""The object store of media and results, a folder or S3; reads and writes are chunked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, ObjectStore, S3Store

from deepfake_serving.contracts.problems import Internal, NotFound, StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.storage.leftovers import delete_leftovers

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 4 * 2**20
_READ_BYTES = 2**20
"""Bytes that one download holds, of which there may be very many."""
_PART_BYTES, _CONCURRENT_PARTS = 8 * 2**20, 4
"""Multipart uploads to S3, where every part but the last has at least 5 MiB."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_OPTIONS: Any = {"allow_http": True, "timeout": "60s"}
_RETRIES: Any = {"max_retries": 6}
_FULL_MESSAGES = ("No space left", "os error 28", "Disk quota", "os error 122", "EntityTooLarge")


class Objects:
    """An object store. Keys are paths of letters, digits, dots, dashes and underscores.

    Every method raises `UpstreamUnavailable` where the store fails after its retries, `StorageFull`
    where it is full, and `NotFound` where there is no such object.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        """`folder` is where a store of files has them."""
        self._store, self._folder = store, folder

    @classmethod
    def open(cls, url: str) -> Objects:
        """Opens `file:///folder`, which is created, or `s3://bucket/prefix`, with endpoint, region
        and credentials from the usual AWS_ variables.

        Raises:
            ValueError: the URL is of another form.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.path not in ("", "/"):
            folder = Path(parts.path)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(LocalStore(parts.path), folder.resolve())
        if parts.scheme == "s3" and parts.hostname:
            prefix = parts.path.strip("/") or None
            return cls(
                S3Store(
                    parts.hostname, prefix=prefix, client_options=_OPTIONS, retry_config=_RETRIES
                )
            )
        raise ValueError(f"objects: {url}: file:///folder or s3://bucket/prefix is expected")

    async def put(self, key: str, content: bytes | IO[bytes] | AsyncIterator[bytes]) -> None:
        """Writes an object atomically: readers never see a part of it."""
        with _map_errors(key):
            await obstore.put_async(
                self._store,
                self._checked(key),
                content,
                chunk_size=_PART_BYTES,
                max_concurrency=_CONCURRENT_PARTS,
            )

    async def add(self, key: str, content: bytes) -> bool:
        """Creates an object; returns False where it exists already.

        S3 uses `If-None-Match: *`; a store that ignores the header overwrites the object.
        """
        with _map_errors(key):
            try:
                await obstore.put_async(self._store, self._checked(key), content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def get(self, key: str) -> bytes:
        """Reads an object into memory."""
        with _map_errors(key):
            response = await obstore.get_async(self._store, self._checked(key))
            return bytes(await response.bytes_async())

    async def get_file(self, key: str, path: Path) -> None:
        """Downloads an object to a file."""
        with _map_errors(key):
            response = await obstore.get_async(self._store, self._checked(key))
            with path.open("wb") as file:
                async for chunk in response.stream(min_chunk_size=_CHUNK_BYTES):
                    await asyncio.to_thread(file.write, chunk)

    async def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        """Yields the bytes from `begin` up to, but not including, `end`, in chunks."""
        with _map_errors(key):
            for start in range(begin, end, _READ_BYTES):
                stop = min(end, start + _READ_BYTES)
                chunk = await obstore.get_range_async(
                    self._store, self._checked(key), start=start, end=stop
                )
                yield bytes(chunk)

    async def size(self, key: str) -> int:
        """Returns an object's size in bytes."""
        with _map_errors(key):
            return (await obstore.head_async(self._store, self._checked(key)))["size"]

    async def copy(self, key: str, to: str) -> None:
        """Copies an object within the store."""
        with _map_errors(key):
            await obstore.copy_async(self._store, self._checked(key), self._checked(to))

    async def delete(self, key: str) -> None:
        """Deletes an object, if it exists."""
        with _map_errors(key):
            try:
                await obstore.delete_async(self._store, self._checked(key))
            except FileNotFoundError:
                return

    async def delete_all(self, prefix: str) -> None:
        """Deletes every object below a prefix."""
        for key, _, _ in await self.list(prefix):
            await self.delete(key)

    async def delete_leftovers(self, prefix: str, before: float) -> None:
        """Deletes what killed writers left below a prefix in a folder before a time, and empty
        folders. S3 has rules for that itself (docs/jobs.md#retention)."""
        if self._folder is not None:
            folder = self._folder / self._checked(prefix)
            await asyncio.to_thread(delete_leftovers, folder, before)

    async def list(self, prefix: str) -> list[tuple[str, int, float]]:
        """Lists the objects below a prefix, as `walk` yields them."""
        return [found async for found in self.walk(prefix)]

    async def walk(self, prefix: str) -> AsyncIterator[tuple[str, int, float]]:
        """Yields the objects below a prefix: key, size in bytes, time of the last change."""
        with _map_errors(prefix):
            async for page in obstore.list(self._store, self._checked(prefix.rstrip("/"))):
                for o in page:
                    yield o["path"], o["size"], o["last_modified"].timestamp()

    def _checked(self, key: str) -> str:
        """Checks a key, and that no link leads out of the folder.

        Raises:
            NotFound: the object, or a folder of it, is a symbolic link.
        """
        _valid_key(key)
        if self._folder is not None and (path := self._folder / key).resolve() != path:
            raise NotFound(f"{path.name} is not stored")
        return key


def _valid_key(key: str) -> str:
    """Checks a key. Keys are never client input, so an invalid one is a defect."""
    if not _KEY.fullmatch(key):
        raise Internal(f"invalid object key: {key!r}")
    return key


@contextmanager
def _map_errors(key: str) -> Iterator[None]:
    """Maps the store's errors to problems."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{key.rsplit('/', 1)[-1]} is not stored") from error
    except (BaseError, OSError) as error:
        if any(text in str(error) for text in _FULL_MESSAGES):
            raise StorageFull("there is no space left for media and results") from error
        log.warning("object store failed", reason=str(error).partition("\n")[0])
        denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
        reason = "refuses access" if denied else "does not respond"
        raise UpstreamUnavailable(f"the object store {reason}", retry_after_s=5) from error
