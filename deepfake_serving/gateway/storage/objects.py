"""Media and results, in a folder or in S3: written and read in pieces, whatever their size."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from deepfake_serving.contracts.problems import Internal, NotFound, StorageFull, UpstreamUnavailable

_PIECE = 4 * 2**20
_PART, _PARTS_AT_ONCE = 8 * 2**20, 4
"""Of an upload to S3, which takes none under 5 MiB but the last."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_OPTIONS: Any = {"allow_http": True, "timeout": "60s"}
_RETRIES: Any = {"max_retries": 6}
_FULL = ("No space left", "os error 28", "Disk quota", "os error 122", "EntityTooLarge")


class Objects:
    """An object store. Keys are paths of letters, digits, dots, dashes and underscores.

    Every method raises `UpstreamUnavailable` where the store does not answer after some retries,
    `StorageFull` where it has no room, and `NotFound` where there is no such object.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str) -> Objects:
        """`file:///folder`, which is made, or `s3://bucket/prefix`, with endpoint, region and
        credentials from the usual AWS_ variables.

        Raises:
            ValueError: another URL.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.path not in ("", "/"):
            return cls(LocalStore(parts.path, mkdir=True))
        if parts.scheme == "s3" and parts.hostname:
            prefix = parts.path.strip("/") or None
            return cls(
                S3Store(
                    parts.hostname, prefix=prefix, client_options=_OPTIONS, retry_config=_RETRIES
                )
            )
        raise ValueError(f"objects: {url}: file:///folder or s3://bucket/prefix is expected")

    async def put(self, key: str, content: bytes | IO[bytes]) -> None:
        """Writes an object; nothing half-written is ever seen under its key."""
        with _telling(key):
            await obstore.put_async(
                self._store,
                _checked(key),
                content,
                chunk_size=_PART,
                max_concurrency=_PARTS_AT_ONCE,
            )

    async def add(self, key: str, content: bytes) -> bool:
        """Writes an object unless there is one; False where there is.

        On S3 by `If-None-Match: *`; a store that ignores it writes over what there is.
        """
        with _telling(key):
            try:
                await obstore.put_async(self._store, _checked(key), content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def get(self, key: str) -> bytes:
        """An object that fits into the memory."""
        with _telling(key):
            found = await obstore.get_async(self._store, _checked(key))
            return bytes(await found.bytes_async())

    async def get_file(self, key: str, path: Path) -> None:
        """Writes an object to a file."""
        with _telling(key):
            found = await obstore.get_async(self._store, _checked(key))
            with path.open("wb") as file:
                async for piece in found.stream(min_chunk_size=_PIECE):
                    await asyncio.to_thread(file.write, piece)

    async def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `begin` to before `end`, piece by piece."""
        with _telling(key):
            for start in range(begin, end, _PIECE):
                stop = min(end, start + _PIECE)
                piece = await obstore.get_range_async(
                    self._store, _checked(key), start=start, end=stop
                )
                yield bytes(piece)

    async def size(self, key: str) -> int:
        with _telling(key):
            return (await obstore.head_async(self._store, _checked(key)))["size"]

    async def copy(self, key: str, to: str) -> None:
        with _telling(key):
            await obstore.copy_async(self._store, _checked(key), _checked(to))

    async def delete(self, key: str) -> None:
        """Deletes an object, if it is there."""
        with _telling(key):
            try:
                await obstore.delete_async(self._store, _checked(key))
            except FileNotFoundError:
                return

    async def delete_all(self, prefix: str) -> None:
        """Deletes every object below a prefix."""
        for key, _, _ in await self.list(prefix):
            await self.delete(key)

    async def list(self, prefix: str) -> list[tuple[str, int, float]]:
        """Key, bytes and time of the last change of every object below a prefix."""
        found: list[tuple[str, int, float]] = []
        with _telling(prefix):
            async for page in obstore.list(self._store, _checked(prefix.rstrip("/"))):
                found += [(o["path"], o["size"], o["last_modified"].timestamp()) for o in page]
        return found


def _checked(key: str) -> str:
    """Keys are made by us; one that could lead elsewhere is a defect."""
    if not _KEY.fullmatch(key):
        raise Internal(f"no key of an object: {key!r}")
    return key


@contextmanager
def _telling(key: str) -> Iterator[None]:
    """Tells what the store says in our words."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{key.rsplit('/', 1)[-1]} is not kept") from error
    except (BaseError, OSError) as error:
        if any(word in str(error) for word in _FULL):
            raise StorageFull("there is no room for media and results") from error
        raise UpstreamUnavailable("the object store does not answer", retry_after_s=5) from error
