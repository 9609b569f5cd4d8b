"""Who asks: the API key of a request, its scopes, and its rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from deepfake_serving.gateway.auth.keys import Keys, Scope
from deepfake_serving.gateway.auth.rate_limits import Limits, RateLimitStatus
from deepfake_serving.gateway.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; `id` is that of their API key, None where none is needed."""

    id: str | None = None
    sees_all: bool = True

    def may_see(self, owner: str | None) -> bool:
        """Whether a job of that owner is theirs to see."""
        return self.sees_all or owner == self.id


class Authenticator:
    """The door. Without keys everybody may do everything."""

    def __init__(
        self,
        keys: Keys | None,
        rate: str | None,
        storage: str | None,
        on_uncounted: Callable[[], object] = lambda: None,
    ) -> None:
        """`storage` is a Redis URL where several gateways count together; `on_uncounted` hears of
        a counter that does not answer.

        Raises:
            ValueError: a rate that can't be read.
        """
        self._keys, self._limits = keys, Limits(rate, storage, on_uncounted)
        self.open_on_loopback = False

    @property
    def needed(self) -> bool:
        """Whether a key is needed."""
        return self._keys is not None

    async def allow(
        self,
        headers: Mapping[str, str],
        scope: Scope,
        tell: Callable[[RateLimitStatus], object] = lambda _: None,
    ) -> Principal:
        """Lets a request pass whose key has the scope and is within its rate; `tell` is told where
        a key with a rate stands.

        Raises:
            Unauthorized, Forbidden, RateLimited
        """
        if self._keys is None:
            return Principal()
        entry = self._keys.find(_key(headers), scope)
        standing = await self._limits.count(entry.id, entry.rate)
        if standing is not None:
            tell(standing)
            standing.check()
        return Principal(entry.id, "admin" in entry.scopes)

    async def close(self) -> None:
        await self._limits.close()


def open_access(
    settings: Settings, on_uncounted: Callable[[], object] = lambda: None
) -> Authenticator:
    """The door that the settings describe.

    Raises:
        SettingsError: the keys or the rate can't be read, or the gateway would stand open on a
            network without anybody having said so.
    """
    try:
        keys = Keys(settings.keys_file) if settings.keys_file else None
        shared = settings.jobs if settings.jobs.startswith(("redis://", "rediss://")) else None
        asked = keys if settings.auth != "none" else None
        access = Authenticator(asked, settings.rate_limit, shared, on_uncounted)
    except ValueError as error:
        raise SettingsError(f"keys_file or rate_limit: {error}") from error
    if settings.auth == "keys" and keys is None:
        raise SettingsError("auth: keys are needed, but keys_file is unset")
    if settings.auth == "auto" and keys is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"auth: {settings.host} is open to others: set keys_file, or auth to none "
            "where something in front of the gateway asks who they are"
        )
    access.open_on_loopback = settings.auth == "auto" and keys is None
    return access


def _key(headers: Mapping[str, str]) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else headers.get("x-api-key")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
