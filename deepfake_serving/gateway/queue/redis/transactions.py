"""Transactions on records of jobs in Redis, and the keys that they use.

{deepfake}:job:<id>      the record
{deepfake}:jobs          sorted set of ids by creation
{deepfake}:due           sorted set of ids by when a worker may claim them
{deepfake}:due:<queue>   the same of images, of live sources and of parts of long videos
{deepfake}:due:webhooks  sorted set of ids by when their webhooks are due
{deepfake}:state:<state> sorted set of ids by creation
{deepfake}:parts:<state> sorted set of ids of parts, which are in no other set but `due:parts`
{deepfake}:parts-of:<id> set of ids of the parts of a job
{deepfake}:queued        list of queued ids, also of parts; KEDA's Redis scaler reads its length
{deepfake}:queued:<queue> the same of images and of live sources
{deepfake}:owners        hash of the owners of jobs, those without one left out
{deepfake}:turns:<queue> hash of when each owner's last job was claimed
{deepfake}:usage:<day>   hash of the usage of each API key
{deepfake}:usage-source:<id> number of the last batch of usage that a process added
{deepfake}:<collection>  hash of documents, with a sorted set of their times
{deepfake}:once:<key>    an idempotency key's fingerprint and job, for a day
{deepfake}:marker        written after a new job, to wait for the replicas, and to check writes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import OutOfMemoryError

from deepfake_serving.contracts.jobs import PART
from deepfake_serving.contracts.problems import Conflict
from deepfake_serving.gateway.queue.backend import dump, parse
from deepfake_serving.gateway.queue.records import QueueName, Record
from deepfake_serving.gateway.queue.redis.full import change_in_full
from deepfake_serving.gateway.queue.redis.pool import TAG

ALL = f"{TAG}:jobs"
OWNERS = f"{TAG}:owners"
MARKER = f"{TAG}:marker"
DUE: dict[QueueName, str] = {
    "jobs": f"{TAG}:due",
    "parts": f"{TAG}:due:parts",
    "images": f"{TAG}:due:images",
    "live": f"{TAG}:due:live",
    "webhooks": f"{TAG}:due:webhooks",
}
QUEUED: dict[QueueName, str] = {
    "jobs": f"{TAG}:queued",
    "parts": f"{TAG}:queued",
    "images": f"{TAG}:queued:images",
    "live": f"{TAG}:queued:live",
}
_IDEMPOTENCY_S = 24 * 3600


def key_of(job_id: str) -> str:
    return f"{TAG}:job:{job_id}"


def idempotency_key(key: str) -> str:
    return f"{TAG}:once:{key}"


def turns_key(queue: QueueName) -> str:
    return f"{TAG}:turns:{queue}"


def state_key(state: str) -> str:
    return f"{TAG}:state:{state}"


def part_state_key(state: str) -> str:
    return f"{TAG}:parts:{state}"


def parts_key(job_id: str) -> str:
    return f"{TAG}:parts-of:{job_id}"


def job_of(part_id: str) -> str:
    return part_id.rpartition("-")[0]


async def insert(
    pipeline: Any, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
) -> Record | None:
    """Inserts a record.

    The key is watched although the record is new: if the reply to a transaction was lost, the
    record may have been written, and have ended since. Then it must not start again.

    Raises:
        WatchError: after a concurrent write, or a lost reply.
    """
    await pipeline.watch(
        key_of(record.job.id), *([idempotency_key(idempotency[0])] if idempotency else [])
    )
    existing = await _existing(pipeline, idempotency) if idempotency else None
    if existing is None:
        existing = await read(pipeline, record.job.id)
    if existing is not None or not accept_new:
        await pipeline.unwatch()
        return existing
    pipeline.multi()
    _write(pipeline, None, record)
    if idempotency is not None:
        remember(pipeline, idempotency, record.job.id)
    await pipeline.execute()
    return record


def remember(client: Any, idempotency: tuple[str, str], job_id: str) -> Any:
    """Stores the key and the fingerprint of the request for a job."""
    key, fingerprint = idempotency
    return client.set(idempotency_key(key), f"{fingerprint}:{job_id}", ex=_IDEMPOTENCY_S)


async def _existing(client: Any, idempotency: tuple[str, str]) -> Record | None:
    """Returns the record that was inserted with the key, while the key is stored."""
    value = (await client.get(idempotency_key(idempotency[0])) or b"").decode()
    fingerprint, _, job_id = value.partition(":")
    record = await read(client, job_id)
    if record is not None and fingerprint != idempotency[1]:
        raise Conflict("the Idempotency-Key was used with another request")
    return record


async def read(client: Any, job_id: str) -> Record | None:
    data = await client.get(key_of(job_id))
    return None if data is None else parse(data)


async def update(
    client: Any, pipeline: Any, job_id: str, change: Callable[[Record], Record | None]
) -> Record | None:
    """Changes a record.

    Raises:
        WatchError: after a concurrent write.
    """
    await pipeline.watch(key_of(job_id))
    data = await pipeline.get(key_of(job_id))
    before = None if data is None else parse(data)
    after = None if before is None else change(before)
    if after is None:
        await pipeline.unwatch()
        return None
    pipeline.multi()
    _write(pipeline, before, after)
    commands = [command for command, _ in pipeline.command_stack]
    try:
        await pipeline.execute()
    except OutOfMemoryError:
        await change_in_full(client, key_of(job_id), data, commands)
    return after


def _write(pipeline: Any, before: Record | None, after: Record) -> None:
    """Writes a record and its indexes."""
    job = after.job
    pipeline.set(key_of(job.id), dump(after))
    if job.kind == PART:
        pipeline.sadd(parts_key(job_of(job.id)), job.id)
    else:
        pipeline.zadd(ALL, {job.id: job.created_at})
    if before is None and job.owner is not None:
        pipeline.hset(OWNERS, job.id, job.owner)
    for queue, index in DUE.items():
        if queue == after.queue and after.due_at is not None:
            pipeline.zadd(index, {job.id: after.due_at})
        else:
            pipeline.zrem(index, job.id)
    if before is not None and before.job.state == job.state:
        return
    in_state = part_state_key if job.kind == PART else state_key
    if before is not None:
        pipeline.zrem(in_state(before.job.state), job.id)
    pipeline.zadd(in_state(job.state), {job.id: job.created_at})
    if job.state == "queued":
        pipeline.rpush(QUEUED[after.queue], job.id)
    elif before is not None and before.job.state == "queued":
        pipeline.lrem(QUEUED[before.queue], 0, job.id)
