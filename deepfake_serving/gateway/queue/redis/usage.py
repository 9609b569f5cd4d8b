"""Usage of API keys in Redis or Valkey: a hash for each day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import OutOfMemoryError, RedisError

from deepfake_serving.contracts.problems import StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.queue.usage import RETAIN_DAYS, Unit, Usage

_KEY = "{deepfake}:usage:"
_RETAIN_S = RETAIN_DAYS * 24 * 3600


class RedisUsage:
    """A `usage.UsageStore` in Redis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def add(self, day: str, usage: Usage) -> None:
        with map_errors():
            async with self._client.pipeline(transaction=True) as pipeline:
                for key, amounts in usage.items():
                    for unit, amount in amounts.items():
                        pipeline.hincrbyfloat(_KEY + day, f"{key}:{unit}", amount)
                pipeline.expire(_KEY + day, _RETAIN_S)
                await pipeline.execute()

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        with map_errors():
            stored = await self._client.hgetall(_KEY + day)
        found: dict[str, dict[Unit, float]] = {}
        for field, amount in stored.items():
            key, _, unit = field.decode().rpartition(":")
            found.setdefault(key, {})[unit] = float(amount)
        return found


@contextmanager
def map_errors() -> Iterator[None]:
    """Maps errors of Redis to problems."""
    try:
        yield
    except OutOfMemoryError as error:
        raise StorageFull("the job store is full") from error
    except (RedisError, OSError) as error:
        raise UpstreamUnavailable("the job store cannot be reached", retry_after_s=5) from error
