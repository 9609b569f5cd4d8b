"""Image responses that feedback may name by their ids, and the images behind them, where kept."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson
import structlog

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.auth.authenticator import half
from deepfake_serving.gateway.feedback.records import FaceRecord, ImageRecord
from deepfake_serving.gateway.queue.collections.collection import Collection, Document
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.serialization import from_json, to_json
from deepfake_serving.runtime.tasks import background, repeat

log = structlog.get_logger(__name__)

_FLUSH_S = 1.0
_MAX_WAITING_BYTES = 64 * 2**20
"""Images that wait for a slow object store, half of them of one API key; further ones are not
kept."""
_CONCURRENT = 8
_END_S = 10.0
"""Time that the end waits for images that are not stored yet."""
FOLDER = "images"
"""The folder of kept images in the object store; each API key has one in it."""


class AnalysedImages:
    """Remembers the last image responses. They and their images are stored once a second, not in
    the request, which must not wait for a slow store."""

    def __init__(
        self,
        collection: Collection,
        objects: Objects,
        *,
        max_count: int,
        keep_images: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            max_count: responses to remember; 0 remembers none.
            keep_images: whether the images are stored, too.
        """
        self._collection, self._objects, self._clock = collection, objects, clock
        self._max_count, self._keep_images = max_count, keep_images
        self._pending: dict[str, Document] = {}
        self._waiting: dict[str, tuple[ImageRecord, bytes]] = {}
        """By the key of the object."""
        self._waiting_bytes = Counter[str | None]()
        self._storing = asyncio.Lock()

    async def add(self, image: bytes, verdict: bytes, image_id: str, owner: str | None) -> None:
        """Remembers the response to an image, and the image where images are kept."""
        if not self._max_count:
            return
        digest = await asyncio.to_thread(lambda: f"sha256:{hashlib.sha256(image).hexdigest()}")
        try:
            record = image_record(orjson.loads(verdict), image_id, owner, self._clock(), digest)
        except (ValueError, LookupError, TypeError):
            return  # a malformed verdict, which is a problem of the response
        if self._keep_images:
            record = self._keep(record, image)
        self._remember(record)

    def _remember(self, record: ImageRecord) -> None:
        key = _key(record.owner, record.id)
        self._pending[key] = Document(key, record.created_at, to_json(record))
        while len(self._pending) > self._max_count:
            del self._pending[next(iter(self._pending))]

    async def find(self, owner: str | None, image_id: str) -> ImageRecord | None:
        """Returns the response with an id that was sent to an owner."""
        key = _key(owner, image_id)
        document = self._pending.get(key) or await self._collection.get(key)
        try:
            return None if document is None else from_json(ImageRecord, document.data)
        except ValueError:
            return None

    async def flush(self) -> None:
        """Stores what is new. It stays in memory until it is stored, where it can be found.

        Raises:
            Problem: the store fails; what is new is kept for the next time.
        """
        async with self._storing:
            stored = dict(self._pending)
            if not stored:
                return
            await self._collection.put(list(stored.values()))
            left = {key: d for key, d in self._pending.items() if d is not stored.get(key)}
            self._pending = left

    async def forget(self, owner: str | None, image_id: str) -> bool:
        """Forgets the response with an id that was sent to an owner, and deletes its image.

        Returns:
            False if there is none.

        Raises:
            Problem: a store fails; it can be tried again.
        """
        key = _key(owner, image_id)
        async with self._storing:  # after it, what a flush had taken is in the collection
            record = await self.find(owner, image_id)
            if record is None:
                return False
            if record.object is not None:
                self._drop(record.object)
                await self._objects.delete(record.object)
            await self._collection.remove([key])
            self._pending.pop(key, None)
        return True

    async def flush_images(self) -> None:
        """Stores the images that wait. One that can't be stored is logged and not kept."""
        while self._waiting:
            keys = list(islice(self._waiting, _CONCURRENT))
            await asyncio.gather(*map(self._store, keys))

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """Flushes once a second while the context is open, and at its end."""
        try:
            async with (
                background(repeat(self.flush, _FLUSH_S, "storing of image responses")),
                background(repeat(self.flush_images, _FLUSH_S, "storing of images")),
            ):
                yield
        finally:
            await self._flush_last()

    async def _flush_last(self) -> None:
        try:
            async with asyncio.timeout(_END_S):
                await self.flush_images()
        except TimeoutError:
            log.warning("images not stored", count=len(self._waiting))
        try:
            await self.flush()
        except Problem as problem:
            log.warning("image responses not stored", problem=problem.slug)

    def _keep(self, record: ImageRecord, image: bytes) -> ImageRecord:
        """Returns the record with the key under which its image will be stored, if it will."""
        if not self._has_room(record.owner, len(image)):
            log.warning("image not stored", detail="too many wait for the object store")
            return record
        kept = replace(record, object=_object(record.owner, record.id))
        self._waiting[str(kept.object)] = kept, image
        self._waiting_bytes[record.owner] += len(image)
        return kept

    def _has_room(self, owner: str | None, size: int) -> bool:
        """Returns whether an image may wait for the object store."""
        share = _MAX_WAITING_BYTES if owner is None else half(_MAX_WAITING_BYTES)
        within_share = self._waiting_bytes[owner] + size <= share
        return within_share and self._waiting_bytes.total() + size <= _MAX_WAITING_BYTES

    async def _store(self, key: str) -> None:
        record, image = self._waiting[key]
        try:
            await self._objects.put(key, image)
        except Problem as problem:
            log.warning("image not stored", problem=problem.slug, detail=problem.detail)
            if self._drop(key):
                self._remember(replace(record, object=None))
            return
        if not self._drop(key):  # it was forgotten meanwhile
            await self._objects.delete(key)

    def _drop(self, key: str) -> bool:
        """Removes an image from those that wait; returns whether it was among them."""
        if key not in self._waiting:
            return False
        record, image = self._waiting.pop(key)
        self._waiting_bytes -= Counter({record.owner: len(image)})  # drops owners without any
        return True


def _key(owner: str | None, image_id: str) -> str:
    return f"{owner or ''}|{image_id}"


def owner_of(key: str) -> str:
    """Returns the owner of a response by the key of its document; "" for none."""
    return key.partition("|")[0]


def _object(owner: str | None, image_id: str) -> str:
    """Returns the key of an image in the object store: its owner has a folder there."""
    name = hashlib.sha256(_key(owner, image_id).encode()).hexdigest()
    return f"{FOLDER}/by-{owner or ''}/{name}"


def image_record(
    verdict: dict[str, Any], image_id: str, owner: str | None, now: float, digest: str
) -> ImageRecord:
    """Builds the record of an image's verdict.

    Raises:
        ValueError, LookupError, TypeError: the verdict is malformed.
    """
    faces = verdict["faces"]
    return ImageRecord(
        id=image_id,
        owner=owner,
        created_at=now,
        digest=digest,
        verdict=verdict["verdict"],
        fake_probability=verdict["fake_probability"],
        faces=[FaceRecord(f["box"], f["fake_probability"], f["verdict"]) for f in faces],
        model=verdict["model"]["name"],
        model_digest=verdict["model"]["digest"],
    )
