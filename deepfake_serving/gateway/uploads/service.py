"""Resumable uploads: bytes are stored as they arrive, whichever gateway receives them.

Each part is an object that is named by its offset and created once, so two clients that send the
same bytes at once need no lock: the second one gets a conflict.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256

import orjson

from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooLarge,
)
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.queue.collections.collection import Collection, Document
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.storage.spool import Spool, SpooledFile

FOLDER = "uploads"
_PART_BYTES = 8 * 2**20
_MIN_PARTS, _MIN_PART_BYTES = 1000, 64 * 1024
"""Clients that send many small parts: 1000 parts are always permitted, and more of this average."""
_CONCURRENT_WRITES = 4
"""Parts in memory at once, on their way to the object store."""
_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Limits of open uploads.

    Attributes:
        max_file_bytes: Length of one.
        max_count: Number of all.
        max_bytes: Length of all together.
        expire_s: Time from the creation of an upload until it is deleted.
    """

    max_file_bytes: int
    max_count: int
    max_bytes: int
    expire_s: float


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload: its length in bytes, the file's display name, and the API key that created it."""

    id: str
    length: int
    name: str | None
    owner: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class _Part:
    key: str
    begin: int
    end: int


class Uploads:
    """The open uploads of all gateways. Those of other API keys are not found."""

    def __init__(
        self,
        collection: Collection,
        objects: Objects,
        limits: UploadLimits,
        clock: Callable[[], float],
        on_event: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`on_event` is called with what happened to an upload: created, submitted, deleted."""
        self.limits, self.on_event = limits, on_event
        self._collection, self._objects, self._clock = collection, objects, clock
        self._creating = asyncio.Lock()
        self._moving: set[str] = set()
        self._writes = asyncio.Semaphore(_CONCURRENT_WRITES)

    async def create(self, length: int, name: str | None, owner: Principal) -> Upload:
        """Creates an upload of a length in bytes.

        Raises:
            InvalidRequest: the length is zero.
            TooLarge: it is larger than a video may be.
            Overloaded: too many uploads are open, or too long ones.
        """
        if length < 1:
            raise InvalidRequest("the file is empty")
        limit = min(self.limits.max_file_bytes, owner.limits.share(self.limits.max_bytes))
        if length > limit:
            raise TooLarge(f"the file has {length} bytes; the limit is {limit}")
        upload = Upload(uuid.uuid4().hex, length, name, owner.id, self._clock())
        async with self._creating:
            await self._check_capacity(length, owner)
            await self._collection.put([_document(upload)])
        self.on_event("created")
        return upload

    async def find(self, upload_id: str, owner: Principal) -> Upload:
        """Returns an upload.

        Raises:
            NotFound: it is another key's, expired, deleted, or became a job.
        """
        document = await self._collection.get(upload_id)
        upload = None if document is None else Upload(**orjson.loads(document.data))
        if upload is None or upload.owner != owner.id or self._expired(upload):
            raise NotFound(f"there is no open upload {upload_id[:40]!r}")
        return upload

    def expires_at(self, upload: Upload) -> float:
        """Returns when an upload is deleted, in seconds since the epoch."""
        return upload.created_at + self.limits.expire_s

    async def offset(self, upload: Upload) -> int:
        """Returns how many bytes are stored."""
        parts = await self._parts(upload)
        return parts[-1].end if parts else 0

    async def append(self, upload: Upload, offset: int, chunks: AsyncIterator[bytes]) -> int:
        """Stores bytes, also those before an error, and returns the new offset.

        Raises:
            Conflict: the upload is at another offset.
            TooLarge: there are more bytes than its length, or too many small parts.
            StorageFull
        """
        parts = await self._parts(upload)
        at = parts[-1].end if parts else 0
        if offset != at:
            raise Conflict(f"the upload is at offset {at}, not {offset}")
        if len(parts) >= _MIN_PARTS + upload.length // _MIN_PART_BYTES:
            raise TooLarge(f"the upload has {len(parts)} parts already: send it in larger ones")
        with Spool(_PART_BYTES + upload.length) as spool:
            file = spool.create(None)
            try:
                async for chunk in chunks:
                    if at + file.size + len(chunk) > upload.length:
                        raise TooLarge(f"the upload has {upload.length} bytes; more were sent")
                    file.write(chunk)
                    if file.size >= _PART_BYTES:
                        full, file = file, spool.create(None)
                        at = await self._store(upload, at, full)
            finally:
                at = await self._store(upload, at, file)
        return at

    async def move(self, upload: Upload, key: str) -> str:
        """Stores a complete upload as one object, and returns its digest (`sha256:…`).

        Raises:
            Conflict: bytes are missing.
            NotFound: it was deleted meanwhile, as once another gateway has submitted it.
            Overloaded: another request moves it.
        """
        if upload.id in self._moving:
            raise Overloaded("another request is submitting the upload", retry_after_s=5)
        self._moving.add(upload.id)
        try:
            return await self._join(upload, key)
        finally:
            self._moving.discard(upload.id)

    async def _join(self, upload: Upload, key: str) -> str:
        parts, digest = await self._parts(upload), sha256()
        offset = parts[-1].end if parts else 0
        if offset < upload.length:
            if await self._collection.get(upload.id) is None:
                raise NotFound(f"the upload {upload.id!r} was deleted")
            raise Conflict(f"the upload has {offset} of {upload.length} bytes")

        async def content() -> AsyncIterator[bytes]:
            for part in parts:
                async for chunk in self._objects.read(part.key, 0, part.end - part.begin):
                    digest.update(chunk)
                    yield chunk

        await self._objects.put(key, content())
        return f"sha256:{digest.hexdigest()}"

    async def delete(self, upload: Upload) -> None:
        """Deletes an upload with its parts."""
        await self._collection.remove([upload.id])
        await self._objects.delete_all(f"{FOLDER}/{upload.id}")

    async def _check_capacity(self, length: int, owner: Principal) -> None:
        """
        Raises:
            Overloaded
        """
        limits, share = self.limits, owner.limits.share
        documents = await self._collection.page(limits.max_count)  # the expired are the oldest
        found = [Upload(**orjson.loads(document.data)) for document in documents]
        uploads = [upload for upload in found if not self._expired(upload)]
        own = [upload for upload in uploads if upload.owner == owner.id]
        for which, of, max_count, max_bytes in (
            (uploads, "", limits.max_count, limits.max_bytes),
            (own, " of this API key", share(limits.max_count), share(limits.max_bytes)),
        ):
            used = sum(upload.length for upload in which)
            if len(which) >= max_count or used + length > max_bytes:
                reason = f"{len(which)} resumable uploads{of} are open, of {used} bytes in all"
                raise Overloaded(reason, retry_after_s=_RETRY_AFTER_S)

    def _expired(self, upload: Upload) -> bool:
        return self._clock() >= self.expires_at(upload)

    async def _parts(self, upload: Upload) -> list[_Part]:
        """Returns the parts from the file's beginning up to the first gap."""
        parts: list[_Part] = []
        end = 0
        for key, size, _ in sorted(await self._objects.list(f"{FOLDER}/{upload.id}")):
            if int(key.rsplit("/", 1)[1]) == end:
                parts.append(_Part(key, end, end + size))
                end += size
        return parts

    async def _store(self, upload: Upload, at: int, file: SpooledFile) -> int:
        """Stores a part, and returns the offset after it.

        Raises:
            Conflict: another request has stored one at this offset.
        """
        if not file.size:
            return at
        async with self._writes:
            content = await file.content()
            file.close()
            if not await self._objects.add(f"{FOLDER}/{upload.id}/{at:015d}", content):
                raise Conflict(f"another request is sending the upload from offset {at}")
        return at + len(content)


def _document(upload: Upload) -> Document:
    return Document(upload.id, upload.created_at, orjson.dumps(upload))
