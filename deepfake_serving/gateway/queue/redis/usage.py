"""Usage of API keys in Redis or Valkey: a hash for each day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError, WatchError

from deepfake_serving.contracts.problems import StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.queue.usage import RETAIN_DAYS, Batch, Unit

_KEY, _SOURCE_KEY = "{deepfake}:usage:", "{deepfake}:usage-source:"
_DAY_S = 24 * 3600


class RedisUsage:
    """A `usage.UsageStore` in Redis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def add(self, batch: Batch) -> None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                while True:
                    try:
                        await _add(pipeline, batch)
                    except WatchError:
                        continue
                    return

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        with map_errors():
            stored = await self._client.hgetall(_KEY + day)
        found: dict[str, dict[Unit, float]] = {}
        for field, amount in stored.items():
            key, _, unit = field.decode().rpartition(":")
            found.setdefault(key, {})[unit] = float(amount)
        return found


async def _add(pipeline: Any, batch: Batch) -> None:
    """Adds a batch, unless it was added before.

    Raises:
        WatchError: the batch may have been added, but the reply was lost.
    """
    source, day = _SOURCE_KEY + batch.source, _KEY + batch.day
    await pipeline.watch(source)
    if int(await pipeline.get(source) or 0) >= batch.number:
        await pipeline.unwatch()
        return
    pipeline.multi()
    for key, amounts in batch.usage.items():
        for unit, amount in amounts.items():
            pipeline.hincrbyfloat(day, f"{key}:{unit}", amount)
    pipeline.expire(day, RETAIN_DAYS * _DAY_S)
    pipeline.set(source, batch.number, ex=_DAY_S)
    await pipeline.execute()


@contextmanager
def map_errors() -> Iterator[None]:
    """Maps errors of Redis to problems."""
    try:
        yield
    except OutOfMemoryError as error:
        raise StorageFull("the job store is full") from error
    except ReadOnlyError as error:
        raise UpstreamUnavailable("the job store is read-only", retry_after_s=5) from error
    except ResponseError as error:  # such as MISCONF, NOREPLICAS, or a right that is missing
        raise UpstreamUnavailable("the job store refused an operation", retry_after_s=5) from error
    except (RedisError, OSError) as error:
        raise UpstreamUnavailable("the job store cannot be reached", retry_after_s=5) from error
