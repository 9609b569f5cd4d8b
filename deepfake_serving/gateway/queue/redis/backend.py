"""Job backend in Redis or Valkey, for several gateways and workers.

Changes are optimistic transactions (https://redis.io/docs/latest/develop/using-commands/transactions/):
a record is read, changed by the same pure functions as in every backend, and written only if there
was no concurrent write. All keys share a hash tag, so they are on one node of a Redis cluster.

Replication is asynchronous, so a failover can lose writes that were acknowledged. A new job is
accepted only once replicas have stored it (`WAIT`). Other writes are not waited for: what a
failover takes back, such as a claim or an end, happens again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.exceptions import WatchError

from deepfake_serving.contracts.jobs import STATES
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.queue.backend import Query, parse_readable
from deepfake_serving.gateway.queue.collections.collection import Name
from deepfake_serving.gateway.queue.collections.redis import RedisCollection
from deepfake_serving.gateway.queue.fairness import WINDOW, in_turns
from deepfake_serving.gateway.queue.records import QueueName, Record
from deepfake_serving.gateway.queue.redis.full import delete
from deepfake_serving.gateway.queue.redis.pages import descending
from deepfake_serving.gateway.queue.redis.pool import open_pool
from deepfake_serving.gateway.queue.redis.transactions import (
    ALL,
    DUE,
    MARKER,
    OWNERS,
    QUEUED,
    insert,
    job_of,
    key_of,
    part_state_key,
    parts_key,
    read,
    remember,
    state_key,
    turns_key,
    update,
)
from deepfake_serving.gateway.queue.redis.url import parse_replicated
from deepfake_serving.gateway.queue.redis.usage import RedisUsage, map_errors

_CONNECT_TIMEOUT_S, _TIMEOUT_S = 1, 3
_REPLICATION_TIMEOUT_MS = 1000


@asynccontextmanager
async def open_redis(url: str, min_replicas: int | None = None) -> AsyncIterator[RedisBackend]:
    """Connects to the server, or to the primary, of a URL.

    Args:
        min_replicas: replicas that must store a job before it is accepted. None is 1 behind
            Sentinels and in a cluster, and 0 for one server.
    """
    if min_replicas is None:
        min_replicas = 0 if parse_replicated(url) is None else 1
    pool = open_pool(
        url,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 5),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    client = Redis.from_pool(pool)
    try:
        yield RedisBackend(client, min_replicas)
    finally:
        await client.aclose()


class RedisBackend:
    """A `backend.Backend` in Redis."""

    def __init__(self, client: Any, min_replicas: int = 0) -> None:
        """`client` is a `Redis`, whose types would allow text where there are bytes."""
        self._client, self.usage = client, RedisUsage(client)
        self._min_replicas = min_replicas
        self._passed: dict[QueueName, tuple[frozenset[str | None], int]] = {}
        """Due records that are not read again: all are of these excluded owners."""

    def collection(self, name: Name) -> RedisCollection:
        return RedisCollection(name, self._client, map_errors)

    async def insert(
        self, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
    ) -> Record | None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        stored = await insert(pipeline, record, idempotency, accept_new)
                    except WatchError:
                        continue
                    if stored is None or await self._replicated(stored.job.id):
                        return stored

    async def _replicated(self, job_id: str) -> bool:
        """Waits until replicas have stored a job; False if a failover has lost it.

        The job is read and a marker is written on one connection, so on one server. Replicas apply
        its writes in their order: those that have the marker have the job.

        Raises:
            UpstreamUnavailable: too few have.
        """
        if not self._min_replicas:
            return True
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.exists(key_of(job_id))
            pipeline.set(MARKER, job_id)
            pipeline.wait(self._min_replicas, _REPLICATION_TIMEOUT_MS)
            exists, _, replicas = await pipeline.execute()
        if replicas < self._min_replicas:
            await self._client.connection_pool.disconnect()  # it may be the primary no longer
            detail = f"{replicas} of {self._min_replicas} replicas of the job store responded"
            raise UpstreamUnavailable(detail, retry_after_s=5)
        return bool(exists)

    async def remember(self, idempotency: tuple[str, str], job_id: str) -> None:
        with map_errors():
            await remember(self._client, idempotency, job_id)

    async def get(self, job_id: str) -> Record | None:
        with map_errors():
            return await read(self._client, job_id)

    async def update(
        self, job_id: str, change: Callable[[Record], Record | None], urgent: bool = False
    ) -> Record | None:
        """A full Redis changes all jobs that it has, so that they can end: `urgent` or not."""
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        return await update(self._client, pipeline, job_id, change)
                    except WatchError:
                        continue

    async def due(
        self, now: float, limit: int, queue: QueueName, exclude: Collection[str | None] = ()
    ) -> list[str]:
        excluded = frozenset(exclude)
        before, start = self._passed.pop(queue, (excluded, 0))
        start = start if before == excluded else 0
        with map_errors():
            found = await self._client.zrangebyscore(
                DUE[queue], "-inf", now, start=start, num=WINDOW
            )
            ids = [member.decode() for member in found]
            owners = zip(ids, await self._owners(ids), strict=True)
            due = [(each, owner) for each, owner in owners if (owner or None) not in excluded]
            if due or found:
                self._passed[queue] = excluded, start if due else start + len(found)
            if not due:
                return []
            turns = await self._client.hgetall(turns_key(queue))
        served = {owner.decode(): float(at) for owner, at in turns.items()}
        return in_turns(due, served)[:limit]

    async def served(self, queue: QueueName, owner: str | None, now: float) -> None:
        with map_errors():
            await self._client.hset(turns_key(queue), owner or "", now)

    async def queued_of(self, owner: str) -> int:
        with map_errors():
            found = await self._client.zrange(state_key("queued"), 0, -1)
            owners = await self._owners([member.decode() for member in found])
            return owners.count(owner)

    async def _owners(self, ids: list[str]) -> list[str]:
        """Returns the owners of jobs, "" for none; jobs of earlier versions have none here."""
        found = await self._client.hmget(OWNERS, ids) if ids else []
        return [(owner or b"").decode() for owner in found]

    async def defer(self, job_id: str, until: float) -> None:
        with map_errors():
            for index in DUE.values():
                await self._client.zadd(index, {job_id: until}, xx=True)

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        found: list[Record] = []
        source = ALL if query.state is None else state_key(query.state)
        top = None if before is None else before[0]
        with map_errors():
            async with aclosing(descending(self._client, source, top)) as pages:
                async for members in pages:
                    data = await self._client.mget([key_of(job_id) for _, job_id in members])
                    records = parse_readable(each for each in data if each is not None)
                    found += [r for r in records if query.matches(r.job) and _is_before(r, before)]
                    if len(found) >= limit:
                        break
        return found[:limit]

    async def remove(self, job_id: str) -> None:
        def commands(pipeline: Any) -> None:
            """The record last: while it exists, its deletion can be tried again."""
            pipeline.hdel(OWNERS, job_id)
            pipeline.srem(parts_key(job_of(job_id)), job_id)
            states = *map(state_key, STATES), *map(part_state_key, STATES)
            for index in (ALL, *DUE.values(), *states):
                pipeline.zrem(index, job_id)
            for waiting in QUEUED.values():
                pipeline.lrem(waiting, 0, job_id)
            pipeline.delete(key_of(job_id))

        with map_errors():
            await delete(self._client, commands)

    async def check_writes(self) -> None:
        with map_errors():
            await self._client.set(MARKER, "")

    async def counts(self) -> dict[str, int]:
        return await self._sizes(state_key)

    async def parts(self, job_id: str) -> list[str]:
        with map_errors():
            return [each.decode() for each in await self._client.smembers(parts_key(job_id))]

    async def part_counts(self) -> dict[str, int]:
        return await self._sizes(part_state_key)

    async def _sizes(self, key_of_state: Callable[[str], str]) -> dict[str, int]:
        with map_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for state in STATES:
                    pipeline.zcard(key_of_state(state))
                return dict(zip(STATES, await pipeline.execute(), strict=True))

    async def oldest_queued(self) -> float | None:
        with map_errors():
            found = await self._client.zrange(state_key("queued"), 0, 0, withscores=True)
            return found[0][1] if found else None

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        with map_errors():
            data = await self._client.mget([key_of(each) for each in job_ids])
        records = parse_readable(each for each in data if each is not None)
        return {record.job.id: record.job.version for record in records}


def _is_before(record: Record, cursor: tuple[float, str] | None) -> bool:
    return cursor is None or (record.job.created_at, record.job.id) < cursor
