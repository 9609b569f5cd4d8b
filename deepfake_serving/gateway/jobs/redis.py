"""Jobs in Redis or Valkey, for a cluster.

Changes are optimistic transactions (https://redis.io/docs/latest/develop/using-commands/transactions/):
a record is read, changed by the same pure functions as everywhere, and written only if nobody else
was faster. All keys share a hash tag, so that they lie on one node of a cluster.

    {deepfake}:job:<id>      the record
    {deepfake}:jobs          sorted set of ids by creation
    {deepfake}:due           sorted set of ids by when a worker may take them
    {deepfake}:due:live      the same of live sources
    {deepfake}:due:webhooks  sorted set of ids by when their webhooks may be told
    {deepfake}:state:<state> sorted set of ids by creation
    {deepfake}:queued        list of queued ids, whose length KEDA's Redis scaler reads
    {deepfake}:queued:live   the same of live sources
    {deepfake}:once:<key>    an idempotency key's fingerprint and job, for a day
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import OutOfMemoryError, RedisError, WatchError
from redis.exceptions import TimeoutError as Late

from deepfake_serving.contracts.jobs import STATES
from deepfake_serving.contracts.problems import Conflict, StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.jobs.backend import Query, dump, parse, readable
from deepfake_serving.gateway.jobs.records import Lane, Record

_TAG = "{deepfake}"
_ALL = f"{_TAG}:jobs"
_DUE: dict[Lane, str] = {
    "jobs": f"{_TAG}:due",
    "live": f"{_TAG}:due:live",
    "webhooks": f"{_TAG}:due:webhooks",
}
_QUEUED: dict[Lane, str] = {"jobs": f"{_TAG}:queued", "live": f"{_TAG}:queued:live"}
_ONCE_S = 24 * 3600
_PATIENCE_S = 5
_SCAN = 200


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisBackend]:
    """The server at `redis://`, `rediss://` or `unix://`."""
    client = Redis.from_url(
        url,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 5),
        retry_on_error=[Disconnected, Late],
    )
    try:
        yield RedisBackend(client)
    finally:
        await client.aclose()


class RedisBackend:
    """`backend.Backend`."""

    def __init__(self, client: Any) -> None:
        """`client` is a `Redis`, whose types allow for text where there are bytes."""
        self._client = client

    async def insert(
        self, record: Record, once: tuple[str, str] | None, room: bool
    ) -> Record | None:
        with _telling():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        return await _insert(pipeline, record, once, room)
                    except WatchError:
                        continue

    async def get(self, job_id: str) -> Record | None:
        with _telling():
            return await _read(self._client, job_id)

    async def update(self, job_id: str, change: Callable[[Record], Record | None]) -> Record | None:
        with _telling():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        return await _update(pipeline, job_id, change)
                    except WatchError:
                        continue

    async def due(self, now: float, limit: int, lane: Lane) -> list[str]:
        with _telling():
            found = await self._client.zrangebyscore(_DUE[lane], "-inf", now, start=0, num=limit)
            return [member.decode() for member in found]

    async def defer(self, job_id: str, until: float) -> None:
        with _telling():
            for index in _DUE.values():
                await self._client.zadd(index, {job_id: until}, xx=True)

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        found: list[Record] = []
        source = _ALL if query.state is None else _state(query.state)
        top = "+inf" if before is None else before[0]
        start = 0
        with _telling():
            while len(found) < limit:
                ids = await self._client.zrevrangebyscore(
                    source, top, "-inf", start=start, num=_SCAN
                )
                if not ids:
                    break
                start += len(ids)
                data = await self._client.mget([_key(each.decode()) for each in ids])
                records = readable(each for each in data if each is not None)
                found += [r for r in records if query.holds(r.job) and _is_before(r, before)]
        return found[:limit]

    async def remove(self, job_id: str) -> None:
        with _telling():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(_key(job_id))
                for index in (_ALL, *_DUE.values(), *map(_state, STATES)):
                    pipeline.zrem(index, job_id)
                for queue in _QUEUED.values():
                    pipeline.lrem(queue, 0, job_id)
                await pipeline.execute()

    async def counts(self) -> dict[str, int]:
        with _telling():
            async with self._client.pipeline(transaction=False) as pipeline:
                for state in STATES:
                    pipeline.zcard(_state(state))
                return dict(zip(STATES, await pipeline.execute(), strict=True))

    async def oldest_queued(self) -> float | None:
        with _telling():
            found = await self._client.zrange(_state("queued"), 0, 0, withscores=True)
            return found[0][1] if found else None

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        with _telling():
            data = await self._client.mget([_key(each) for each in job_ids])
        records = readable(each for each in data if each is not None)
        return {record.job.id: record.job.version for record in records}


async def _insert(
    pipeline: Any, record: Record, once: tuple[str, str] | None, room: bool
) -> Record | None:
    """The record is watched although it is new: where the answer to a transaction is lost, it may
    have been written, and have ended since; then it must not begin anew.

    Raises `WatchError` where another was faster, or the answer was lost.
    """
    await pipeline.watch(_key(record.job.id), *([_once(once[0])] if once else []))
    known = await _known(pipeline, once) if once else None
    if known is None:
        known = await _read(pipeline, record.job.id)
    if known is not None or not room:
        await pipeline.unwatch()
        return known
    pipeline.multi()
    _write(pipeline, None, record)
    if once is not None:
        pipeline.set(_once(once[0]), f"{once[1]}:{record.job.id}", ex=_ONCE_S)
    await pipeline.execute()
    return record


async def _known(client: Any, once: tuple[str, str]) -> Record | None:
    """What the key made before, as long as it is kept."""
    said = (await client.get(_once(once[0])) or b"").decode()
    fingerprint, _, job_id = said.partition(":")
    found = await _read(client, job_id)
    if found is not None and fingerprint != once[1]:
        raise Conflict("the Idempotency-Key was used with another request")
    return found


async def _read(client: Any, job_id: str) -> Record | None:
    data = await client.get(_key(job_id))
    return None if data is None else parse(data)


async def _update(
    pipeline: Any, job_id: str, change: Callable[[Record], Record | None]
) -> Record | None:
    """Raises `WatchError` where another was faster."""
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
    """The record and the indexes that it is in."""
    job = after.job
    pipeline.set(_key(job.id), dump(after))
    pipeline.zadd(_ALL, {job.id: job.created_at})
    for lane, index in _DUE.items():
        if lane == after.lane and after.due_at is not None:
            pipeline.zadd(index, {job.id: after.due_at})
        else:
            pipeline.zrem(index, job.id)
    if before is not None and before.job.state == job.state:
        return
    if before is not None:
        pipeline.zrem(_state(before.job.state), job.id)
    pipeline.zadd(_state(job.state), {job.id: job.created_at})
    if job.state == "queued":
        pipeline.rpush(_QUEUED[after.lane], job.id)
    elif before is not None and before.job.state == "queued":
        pipeline.lrem(_QUEUED[before.lane], 0, job.id)


def _is_before(record: Record, place: tuple[float, str] | None) -> bool:
    return place is None or (record.job.created_at, record.job.id) < place


def _key(job_id: str) -> str:
    return f"{_TAG}:job:{job_id}"


def _once(key: str) -> str:
    return f"{_TAG}:once:{key}"


def _state(state: str) -> str:
    return f"{_TAG}:state:{state}"


@contextmanager
def _telling() -> Iterator[None]:
    """Tells what Redis says in our words."""
    try:
        yield
    except OutOfMemoryError as error:
        raise StorageFull("there is no room for another job") from error
    except (RedisError, OSError) as error:
        raise UpstreamUnavailable("the jobs can't be reached", retry_after_s=5) from error
