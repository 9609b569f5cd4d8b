"""Who asks: the API key of a request, its scopes, and its rate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import structlog
from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from contracts.problems import RateLimited
from gateway.keys import KeyEntry, Keys, Scope
from gateway.settings import Settings, SettingsError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; `id` is that of their API key, None where none is needed."""

    id: str | None = None
    sees_all: bool = True

    def may_see(self, owner: str | None) -> bool:
        """Whether a job of that owner is theirs to see."""
        return self.sees_all or owner == self.id


class Access:
    """The door. Without keys everybody may do everything."""

    def __init__(self, keys: Keys | None, rate: str | None, storage: str | None) -> None:
        """`storage` is a Redis URL where several gateways count together.

        Raises:
            ValueError: a rate that can't be read.
        """
        self._keys, self._rate = keys, rate and parse(rate)
        store: Any = MemoryStorage()
        if storage:
            store = RedisStorage(f"async+{storage}", implementation="redispy")
        self._limiter = SlidingWindowCounterRateLimiter(store)

    @property
    def needed(self) -> bool:
        """Whether a key is needed."""
        return self._keys is not None

    async def allow(self, headers: Mapping[str, str], scope: Scope) -> Principal:
        """Lets a request pass whose key has the scope and is within its rate.

        Raises:
            Unauthorized, Forbidden, RateLimited
        """
        if self._keys is None:
            return Principal()
        entry = self._keys.find(_key(headers), scope)
        await self._count(entry)
        return Principal(entry.id, "admin" in entry.scopes)

    async def _count(self, entry: KeyEntry) -> None:
        """A counter that can't be reached lets requests pass: better unlimited than down."""
        rate = parse(entry.rate) if entry.rate else self._rate
        if not rate:
            return
        try:
            if await self._limiter.hit(rate, entry.id):
                return
            window = await self._limiter.get_window_stats(rate, entry.id)
        except Exception as error:  # whatever the storage's client raises
            log.warning("rate limits are off", reason=str(error))
            return
        wait = max(1, round(window.reset_time - time.time()))
        raise RateLimited(f"the API key's limit is {rate}", retry_after_s=wait)


def open_access(settings: Settings) -> Access:
    """The door that the settings describe.

    Raises:
        SettingsError: the keys or the rate can't be read, or the gateway would stand open on a
            network without anybody having said so.
    """
    try:
        keys = Keys(settings.keys_file) if settings.keys_file else None
        shared = settings.jobs if settings.jobs.startswith(("redis://", "rediss://")) else None
        access = Access(keys if settings.auth != "none" else None, settings.rate_limit, shared)
    except ValueError as error:
        raise SettingsError(f"keys_file or rate_limit: {error}") from error
    if settings.auth == "keys" and keys is None:
        raise SettingsError("auth: keys are needed, but keys_file is unset")
    if settings.auth == "auto" and keys is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"auth: {settings.host} is open to others: set keys_file, or auth to none "
            "where something in front of the gateway asks who they are"
        )
    return access


def _key(headers: Mapping[str, str]) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else headers.get("x-api-key")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
