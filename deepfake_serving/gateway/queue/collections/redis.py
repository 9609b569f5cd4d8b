"""A collection in Redis or Valkey: a hash of documents, and a sorted set of their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Collection as Keys
from contextlib import AbstractContextManager, aclosing
from typing import Any

from deepfake_serving.gateway.queue.collections.collection import Document, Name
from deepfake_serving.gateway.queue.redis.full import delete
from deepfake_serving.gateway.queue.redis.pages import PAGE, descending


class RedisCollection:
    """A `collection.Collection` in Redis."""

    def __init__(
        self, name: Name, client: Any, map_errors: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """`map_errors` maps errors of Redis to problems."""
        self._data, self._times = f"{{deepfake}}:{name}", f"{{deepfake}}:{name}:created"
        self._client, self._map_errors = client, map_errors

    async def put(self, documents: Sequence[Document]) -> None:
        if not documents:
            return
        with self._map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hset(self._data, mapping={each.key: each.data for each in documents})
                pipeline.zadd(self._times, {each.key: each.created_at for each in documents})
                await pipeline.execute()

    async def get(self, key: str) -> Document | None:
        with self._map_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hget(self._data, key)
                pipeline.zscore(self._times, key)
                data, created_at = await pipeline.execute()
        return None if data is None or created_at is None else Document(key, created_at, data)

    async def page(self, limit: int, before: tuple[float, str] | None = None) -> list[Document]:
        top = None if before is None else before[0]
        found: list[tuple[float, str]] = []
        with self._map_errors():
            async with aclosing(descending(self._client, self._times, top)) as pages:
                async for entries in pages:
                    found += [entry for entry in entries if before is None or entry < before]
                    if len(found) >= limit:
                        break
            found = found[:limit]
            keys = [key for _, key in found]
            data = await self._client.hmget(self._data, keys) if keys else []
        pairs = zip(found, data, strict=True)
        return [Document(key, at, each) for (at, key), each in pairs if each is not None]

    async def remove(self, keys: Keys[str]) -> None:
        if not keys:
            return

        def commands(pipeline: Any) -> None:
            pipeline.hdel(self._data, *keys)
            pipeline.zrem(self._times, *keys)

        with self._map_errors():
            await delete(self._client, commands)

    async def delete_before(self, time: float) -> None:
        with self._map_errors():
            old = await self._client.zrangebyscore(self._times, "-inf", f"({time}")
        for start in range(0, len(old), PAGE):
            await self.remove([member.decode() for member in old[start : start + PAGE]])

    async def keys(self, above: int) -> list[str]:
        with self._map_errors():
            if await self._client.zcard(self._times) <= above:
                return []
            return [member.decode() for member in await self._client.zrange(self._times, 0, -1)]
