"""Job backend in Redis or Valkey, for a cluster.

Changes are optimistic transactions (https://redis.io/docs/latest/develop/using-commands/transactions/):
a record is read, changed by the same pure functions as in every backend, and written only if there
was no concurrent write. All keys share a hash tag, so they are on one node of a Redis cluster.

    {deepfake}:job:<id>      the record
    {deepfake}:jobs          sorted set of ids by creation
    {deepfake}:due           sorted set of ids by when a worker may claim them
    {deepfake}:due:<queue>   the same of images and of live sources
    {deepfake}:due:webhooks  sorted set of ids by when their webhooks are due
    {deepfake}:state:<state> sorted set of ids by creation
    {deepfake}:queued        list of queued ids; KEDA's Redis scaler reads its length
    {deepfake}:queued:<queue> the same of images and of live sources
    {deepfake}:owners        hash of the owners of jobs, those without one left out
    {deepfake}:turns:<queue> hash of when each owner's last job was claimed
    {deepfake}:usage:<day>   hash of the usage of each API key
    {deepfake}:<collection>  hash of documents, with a sorted set of their times
    {deepfake}:once:<key>    an idempotency key's fingerprint and job, for a day
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.exceptions import WatchError

from deepfake_serving.contracts.jobs import STATES
from deepfake_serving.contracts.problems import Conflict
from deepfake_serving.gateway.queue.backend import Query, dump, parse, parse_readable
from deepfake_serving.gateway.queue.collections.collection import Name
from deepfake_serving.gateway.queue.collections.redis import RedisCollection
from deepfake_serving.gateway.queue.fairness import WINDOW, in_turns
from deepfake_serving.gateway.queue.records import QueueName, Record
from deepfake_serving.gateway.queue.redis_usage import RedisUsage, map_errors

_TAG = "{deepfake}"
_ALL = f"{_TAG}:jobs"
_OWNERS = f"{_TAG}:owners"
_DUE: dict[QueueName, str] = {
    "jobs": f"{_TAG}:due",
    "images": f"{_TAG}:due:images",
    "live": f"{_TAG}:due:live",
    "webhooks": f"{_TAG}:due:webhooks",
}
_QUEUED: dict[QueueName, str] = {
    "jobs": f"{_TAG}:queued",
    "images": f"{_TAG}:queued:images",
    "live": f"{_TAG}:queued:live",
}
_IDEMPOTENCY_S = 24 * 3600
_CONNECT_TIMEOUT_S, _TIMEOUT_S = 1, 3
_PAGE = 200


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisBackend]:
    """Connects to the server at `redis://`, `rediss://` or `unix://`."""
    client = Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 5),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    try:
        yield RedisBackend(client)
    finally:
        await client.aclose()


class RedisBackend:
    """A `backend.Backend` in Redis."""

    def __init__(self, client: Any) -> None:
        """`client` is a `Redis`, whose types would allow text where there are bytes."""
        self._client, self.usage = client, RedisUsage(client)

    def collection(self, name: Name) -> RedisCollection:
        return RedisCollection(name, self._client, map_errors)

    async def insert(
        self, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
    ) -> Record | None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        return await _insert(pipeline, record, idempotency, accept_new)
                    except WatchError:
                        continue

    async def get(self, job_id: str) -> Record | None:
        with map_errors():
            return await _read(self._client, job_id)

    async def update(self, job_id: str, change: Callable[[Record], Record | None]) -> Record | None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        return await _update(pipeline, job_id, change)
                    except WatchError:
                        continue

    async def due(
        self, now: float, limit: int, queue: QueueName, exclude: Collection[str | None] = ()
    ) -> list[str]:
        with map_errors():
            found = await self._client.zrangebyscore(_DUE[queue], "-inf", now, start=0, num=WINDOW)
            if not found:
                return []
            ids = [member.decode() for member in found]
            due = zip(ids, await self._owners(ids), strict=True)
            turns = await self._client.hgetall(_turns(queue))
        served = {owner.decode(): float(at) for owner, at in turns.items()}
        return in_turns(due, served, exclude)[:limit]

    async def served(self, queue: QueueName, owner: str | None, now: float) -> None:
        with map_errors():
            await self._client.hset(_turns(queue), owner or "", now)

    async def queued_of(self, owner: str) -> int:
        with map_errors():
            found = await self._client.zrange(_state("queued"), 0, -1)
            owners = await self._owners([member.decode() for member in found])
            return owners.count(owner)

    async def _owners(self, ids: list[str]) -> list[str]:
        """Returns the owners of jobs, "" for none; jobs of earlier versions have none here."""
        found = await self._client.hmget(_OWNERS, ids) if ids else []
        return [(owner or b"").decode() for owner in found]

    async def defer(self, job_id: str, until: float) -> None:
        with map_errors():
            for index in _DUE.values():
                await self._client.zadd(index, {job_id: until}, xx=True)

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        found: list[Record] = []
        source = _ALL if query.state is None else _state(query.state)
        top = "+inf" if before is None else before[0]
        start = 0
        with map_errors():
            while len(found) < limit:
                ids = await self._client.zrevrangebyscore(
                    source, top, "-inf", start=start, num=_PAGE
                )
                if not ids:
                    break
                start += len(ids)
                data = await self._client.mget([_key(each.decode()) for each in ids])
                records = parse_readable(each for each in data if each is not None)
                found += [r for r in records if query.matches(r.job) and _is_before(r, before)]
        return found[:limit]

    async def remove(self, job_id: str) -> None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(_key(job_id))
                pipeline.hdel(_OWNERS, job_id)
                for index in (_ALL, *_DUE.values(), *map(_state, STATES)):
                    pipeline.zrem(index, job_id)
                for waiting in _QUEUED.values():
                    pipeline.lrem(waiting, 0, job_id)
                await pipeline.execute()

    async def counts(self) -> dict[str, int]:
        with map_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for state in STATES:
                    pipeline.zcard(_state(state))
                return dict(zip(STATES, await pipeline.execute(), strict=True))

    async def oldest_queued(self) -> float | None:
        with map_errors():
            found = await self._client.zrange(_state("queued"), 0, 0, withscores=True)
            return found[0][1] if found else None

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        with map_errors():
            data = await self._client.mget([_key(each) for each in job_ids])
        records = parse_readable(each for each in data if each is not None)
        return {record.job.id: record.job.version for record in records}


async def _insert(
    pipeline: Any, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
) -> Record | None:
    """Inserts a record.

    The key is watched although the record is new: if the reply to a transaction was lost, the
    record may have been written, and have ended since. Then it must not start again.

    Raises:
        WatchError: after a concurrent write, or a lost reply.
    """
    await pipeline.watch(
        _key(record.job.id), *([_idempotency(idempotency[0])] if idempotency else [])
    )
    existing = await _existing(pipeline, idempotency) if idempotency else None
    if existing is None:
        existing = await _read(pipeline, record.job.id)
    if existing is not None or not accept_new:
        await pipeline.unwatch()
        return existing
    pipeline.multi()
    _write(pipeline, None, record)
    if idempotency is not None:
        key, fingerprint = idempotency
        pipeline.set(_idempotency(key), f"{fingerprint}:{record.job.id}", ex=_IDEMPOTENCY_S)
    await pipeline.execute()
    return record


async def _existing(client: Any, idempotency: tuple[str, str]) -> Record | None:
    """Returns the record that was inserted with the key, while the key is stored."""
    value = (await client.get(_idempotency(idempotency[0])) or b"").decode()
    fingerprint, _, job_id = value.partition(":")
    record = await _read(client, job_id)
    if record is not None and fingerprint != idempotency[1]:
        raise Conflict("the Idempotency-Key was used with another request")
    return record


async def _read(client: Any, job_id: str) -> Record | None:
    data = await client.get(_key(job_id))
    return None if data is None else parse(data)


async def _update(
    pipeline: Any, job_id: str, change: Callable[[Record], Record | None]
) -> Record | None:
    """Changes a record.

    Raises:
        WatchError: after a concurrent write.
    """
    await pipeline.watch(_key(job_id))
    before = await _read(pipeline, job_id)
    after = None if before is None else change(before)
    if after is None:
        await pipeline.unwatch()
        return None
    pipeline.multi()
    _write(pipeline, before, after)
    await pipeline.execute()
    return after


def _write(pipeline: Any, before: Record | None, after: Record) -> None:
    """Writes a record and its indexes."""
    job = after.job
    pipeline.set(_key(job.id), dump(after))
    pipeline.zadd(_ALL, {job.id: job.created_at})
    if before is None and job.owner is not None:
        pipeline.hset(_OWNERS, job.id, job.owner)
    for queue, index in _DUE.items():
        if queue == after.queue and after.due_at is not None:
            pipeline.zadd(index, {job.id: after.due_at})
        else:
            pipeline.zrem(index, job.id)
    if before is not None and before.job.state == job.state:
        return
    if before is not None:
        pipeline.zrem(_state(before.job.state), job.id)
    pipeline.zadd(_state(job.state), {job.id: job.created_at})
    if job.state == "queued":
        pipeline.rpush(_QUEUED[after.queue], job.id)
    elif before is not None and before.job.state == "queued":
        pipeline.lrem(_QUEUED[before.queue], 0, job.id)


def _is_before(record: Record, cursor: tuple[float, str] | None) -> bool:
    return cursor is None or (record.job.created_at, record.job.id) < cursor


def _key(job_id: str) -> str:
    return f"{_TAG}:job:{job_id}"


def _idempotency(key: str) -> str:
    return f"{_TAG}:once:{key}"


def _turns(queue: QueueName) -> str:
    return f"{_TAG}:turns:{queue}"


def _state(state: str) -> str:
    return f"{_TAG}:state:{state}"
