"""Authentication and authorization of a request: its API key, the key's scopes and rate limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from deepfake_serving.gateway.auth.keys import KeyEntry, Keys, Scope
from deepfake_serving.gateway.auth.rate_limits import RateLimiter, RateLimitStatus
from deepfake_serving.gateway.auth.usage import NO_QUOTA, Quota, UsageMeter
from deepfake_serving.gateway.queue.turns import current_key
from deepfake_serving.gateway.queue.usage import MemoryUsage, Unit
from deepfake_serving.gateway.settings import Settings, SettingsError
from deepfake_serving.runtime.settings import variable_of

_UNITS: dict[Scope, tuple[Unit, ...]] = {
    "images": ("requests", "images", "bytes"),
    "stream": ("requests", "images", "bytes"),
    "infer": ("requests", "images", "bytes"),
    "videos": ("requests", "bytes", "video_seconds"),
}
"""The quotas that requests of a scope use; of others, requests alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of one API key: its own limits, else half of what all keys have, so that none can
    take everything from the others. The only key of a gateway has all, as clients without keys."""

    max_queued: int | None = None
    max_streams: int | None = None
    only: bool = False
    daily: Quota = NO_QUOTA

    def queued(self, total: int) -> int:
        """Returns the most queued jobs, of a queue of `total`."""
        return self.share(total) if self.max_queued is None else self.max_queued

    def streams(self, total: int) -> int:
        """Returns the most live streams, of `total`."""
        return self.share(total) if self.max_streams is None else self.max_streams

    def share(self, total: int) -> int:
        """Returns the key's share of a capacity that its entry does not limit."""
        return total if self.only else half(total)


def half(total: int) -> int:
    """Returns half of a capacity, rounded up."""
    return -(-total // 2)


@dataclass(frozen=True, slots=True)
class Principal:
    """The client of a request. `id` is that of its API key; None where no key is required."""

    id: str | None = None
    sees_all: bool = True
    limits: Limits = Limits()

    def may_see(self, owner: str | None) -> bool:
        """Returns whether the principal may see a job of `owner`."""
        return self.sees_all or owner == self.id


class Authenticator:
    """Checks API keys. Without a key file every client may do everything."""

    def __init__(
        self,
        keys: Keys | None,
        rate: str | None,
        storage: str | None,
        on_failure: Callable[[], object] = lambda: None,
        usage: UsageMeter | None = None,
    ) -> None:
        """
        Args:
            rate: the limit of keys without their own, such as `100/minute`.
            storage: a Redis URL where several gateways share the counters.
            on_failure: called when the counter of rate limits fails.
            usage: counts usage; by default only in this process.

        Raises:
            ValueError: the rate can't be parsed.
        """
        self._keys, self._limiter = keys, RateLimiter(rate, storage, on_failure)
        self.usage = usage or UsageMeter(MemoryUsage())
        self.open_on_loopback = False

    @property
    def requires_key(self) -> bool:
        """Whether requests need an API key."""
        return self._keys is not None

    async def authorize(
        self,
        headers: Mapping[str, str],
        scope: Scope | None,
        on_status: Callable[[RateLimitStatus], object] = lambda _: None,
    ) -> Principal:
        """Returns the principal of a request whose key has the scope, and is within its rate and
        its quotas.

        Args:
            scope: None permits all keys, also those whose quotas are used up.
            on_status: called with the status of each of the key's limits.

        Raises:
            Unauthorized, Forbidden, RateLimited, QuotaExceeded
        """
        if self._keys is None:
            return Principal(limits=Limits(only=True))
        entry = self._keys.find(_key(headers))
        current_key.set(entry.id)
        status = await self._limiter.hit(entry.id, entry.rate)
        if status is not None:
            on_status(status)
            status.check()
        if scope is not None:
            self._use(entry, scope, on_status)
            entry.check_scope(scope)  # a refused request counts, too
        only = len(self._keys) == 1
        limits = Limits(entry.max_queued, entry.max_streams, only, entry.daily)
        return Principal(entry.id, "admin" in entry.scopes, limits)

    def _use(
        self, entry: KeyEntry, scope: Scope, on_status: Callable[[RateLimitStatus], object]
    ) -> None:
        """Checks the quotas that a request uses, and counts it."""
        quotas = entry.daily.limits(_UNITS.get(scope, ("requests",)))
        for status in self.usage.statuses(entry.id, quotas):
            on_status(status)
        self.usage.check(entry.id, quotas)
        self.usage.add(entry.id, "requests", 1)

    def use_frame(self, principal: Principal, size: int) -> None:
        """Checks the quotas that a live frame uses, and counts it.

        Raises:
            QuotaExceeded
        """
        self.usage.check(principal.id, principal.limits.daily.limits(("images", "bytes")))
        self.usage.add(principal.id, "images", 1)
        self.usage.add(principal.id, "bytes", size)

    async def keys(self) -> list[tuple[KeyEntry, RateLimitStatus | None]]:
        """Returns the entries of all keys by id, each with the status of its rate limit, if any."""
        entries = [] if self._keys is None else self._keys.entries()
        return [
            (entry, await self._limiter.status(entry.id, entry.rate))
            for entry in sorted(entries, key=lambda entry: entry.id)
        ]

    def daily_limits(self) -> dict[str, dict[Unit, float]]:
        """Returns the daily limits of each key."""
        return {} if self._keys is None else {e.id: e.daily.limits() for e in self._keys.entries()}

    async def close(self) -> None:
        """Closes the connections to the shared counters."""
        await self._limiter.close()


def open_authenticator(
    settings: Settings,
    on_failure: Callable[[], object] = lambda: None,
    usage: UsageMeter | None = None,
) -> Authenticator:
    """Builds the authenticator that the settings describe.

    Raises:
        SettingsError: the keys or the rate can't be read, or the gateway would be open to a network
            although no setting says so.
    """
    try:
        keys = Keys(settings.keys_file) if settings.keys_file else None
        shared = None if settings.jobs.startswith("sqlite:") else settings.jobs
        required = keys if settings.auth != "none" else None
        authenticator = Authenticator(required, settings.rate_limit, shared, on_failure, usage)
    except ValueError as error:
        raise SettingsError(f"keys_file or rate_limit: {error}") from error
    if settings.auth == "keys" and keys is None:
        raise SettingsError("auth: keys are required, but keys_file is unset")
    if settings.auth == "auto" and keys is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"auth: {settings.host} is open to others: set {variable_of(settings, 'keys_file')} "
            f"to a file of API keys (`deepfake-serving key`), or {variable_of(settings, 'auth')} "
            "to none where a proxy in front of the gateway authenticates clients"
        )
    authenticator.open_on_loopback = settings.auth == "auto" and keys is None
    return authenticator


def _key(headers: Mapping[str, str]) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else headers.get("x-api-key")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
