"""The replicas of all pools, kept up to date, and the choice of one for each request.

Each request goes to the replica with the fewest requests in flight, so load does not stick to one
replica as it does with keep-alive or HTTP/2 connections. Host names are resolved every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

import aiohttp
import structlog

from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.contracts.problems import (
    Overloaded,
    Problem,
    UnknownModel,
    UpstreamUnavailable,
)
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.tasks import background, repeat
from deepfake_serving.runtime.tls.certificates import Certificates

log = structlog.get_logger(__name__)

_CHECK_INTERVAL_S = 1.0
_RESOLVE_INTERVAL_S = 2.0
_REPEAT_S = 60.0
"""Time between log lines of a lookup that keeps failing."""
_NO_ADDRESS = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""Errors of a name server that does respond: a headless Service without pods has no name."""


class Pools:
    """All replicas. They are known and kept up to date within `monitor`."""

    def __init__(
        self,
        routing: Routing,
        session: aiohttp.ClientSession,
        certificates: Certificates | None = None,
    ) -> None:
        """
        Args:
            certificates: of TLS to the replicas, which the session uses too.
        """
        self.routing, self.session, self.certificates = routing, session, certificates
        self._serving = routing.serving
        self.replicas: dict[str, list[Replica]] = {pool.name: [] for pool in routing.pools}
        self._leaving: set[Replica] = set()
        self._checks: dict[Replica, asyncio.Task[None]] = {}
        self._unresolved: dict[str, tuple[str, float]] = {}

    @contextlib.asynccontextmanager
    async def monitor(self) -> AsyncIterator[None]:
        """Resolves and checks the replicas once, then keeps doing so in the background."""
        await self._resolve_all()
        await asyncio.gather(*self._checks.values())
        try:
            async with (
                background(repeat(self._resolve_all, _RESOLVE_INTERVAL_S, "resolving of pools")),
                background(repeat(self._start_checks, _CHECK_INTERVAL_S, "checks of replicas")),
            ):
                yield
        finally:
            for check in self._checks.values():
                check.cancel()
            await asyncio.gather(*self._checks.values(), return_exceptions=True)

    def all(self) -> Iterable[Replica]:
        """Returns the replicas of all pools."""
        return (replica for replicas in self.replicas.values() for replica in replicas)

    def serving(self) -> Iterable[Replica]:
        """Returns the replicas of the pools that serve clients."""
        return (replica for pool in self._serving for replica in self.replicas[pool.name])

    def models(self) -> dict[str, dict[str, ModelInfo]]:
        """Returns the models for clients by name and pool. If replicas differ, the first wins."""
        return _models(self.serving())

    def all_models(self) -> dict[str, dict[str, ModelInfo]]:
        """Returns the models of all pools, those that serve no client too."""
        return _models(self.all())

    def check_model(self, model: str) -> None:
        """Refuses a model that no pool serves, as far as it is known.

        Raises:
            UnknownModel
        """
        if not any(replica.serves(model) for replica in self.serving()):
            problem = self._unavailable(model)
            if isinstance(problem, UnknownModel):
                raise problem

    def expects(self, model: str) -> bool:
        """Returns whether a pool for clients is meant to serve the model, with replicas or not."""
        return any(model in pool.models for pool in self._serving)

    def up(self) -> bool:
        """Returns whether any replica is healthy."""
        return any(replica.healthy for replica in self.serving())

    def ready(self) -> bool:
        """Returns whether requests can be accepted: a replica is healthy, or there may be none, and
        the jobs that start one must get through."""
        return self.up() or all(pool.may_be_empty for pool in self._serving)

    def choose(self, model: str | None, tried: Sequence[Replica] = ()) -> Replica:
        """Returns the replica for a request.

        Args:
            tried: replicas where the request failed; chosen again only if there is no other.

        Raises:
            UnknownModel: no pool serves the model.
            UpstreamUnavailable: all replicas that serve it are down.
            Overloaded: all replicas that serve it are full.
        """
        serving = [replica for replica in self.serving() if replica.serves(model)]
        if not serving:
            raise self._unavailable(model)
        untried = [replica for replica in serving if replica not in tried] or serving
        free = [replica for replica in untried if not replica.full]
        if not free:
            raise Overloaded("all model servers are full", retry_after_s=1)
        priority = min(replica.pool.priority for replica in free)
        return _least_loaded(_pick_pool([r for r in free if r.pool.priority == priority]))

    def choose_shadow(self, pool: PoolSpec, model: str) -> Replica | None:
        """Returns a free replica of a shadow pool; None if there is none."""
        members = self.replicas[pool.name]
        free = [replica for replica in members if replica.serves(model) and not replica.full]
        return _least_loaded(free) if free else None

    def _unavailable(self, model: str | None) -> Problem:
        known = sorted({name for replica in self.serving() for name in replica.models})
        if model is not None and known and model not in known:
            return UnknownModel(f"there is no model {model!r}; served are: {', '.join(known)}")
        subject = "no model server" if model is None else f"no model server with {model}"
        errors = sorted({r.tls_error for r in self.serving() if r.tls_error is not None})
        reason = f": TLS failed: {'; '.join(errors)}" if errors else ""
        return UpstreamUnavailable(f"{subject} is up{reason}", retry_after_s=5)

    async def _resolve_all(self) -> None:
        await asyncio.gather(*(self._resolve(pool) for pool in self.routing.pools))

    async def _start_checks(self) -> None:
        """Starts checks that do not wait for each other: one that hangs delays no other."""
        self._leaving = {replica for replica in self._leaving if replica.in_flight}
        self._checks = {r: task for r, task in self._checks.items() if not task.done()}
        for replica in {*self.all(), *self._leaving} - set(self._checks):
            self._start_check(replica)

    def _start_check(self, replica: Replica) -> None:
        self._checks[replica] = asyncio.create_task(self._check(replica))

    async def _resolve(self, pool: PoolSpec) -> None:
        """Adds replicas of new addresses, and drops those of gone ones once the new are checked.

        A failed lookup changes nothing: the replicas may be up while the name server is down. Of a
        name without addresses, only the healthy ones are kept: the pool was scaled to zero.
        """
        present = {replica.address: replica for replica in self.replicas[pool.name]}
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                pool.host, pool.port, type=socket.SOCK_STREAM
            )
            addresses = {str(entry[4][0]) for entry in found}
            self._unresolved.pop(pool.name, None)
        except OSError as error:
            self._log_unresolved(pool, str(error))
            if not (isinstance(error, socket.gaierror) and error.errno in _NO_ADDRESS):
                return
            addresses = {each.address for each in present.values() if each.healthy}
        fresh = [Replica(pool, address) for address in sorted(addresses - set(present))]
        kept = [replica for address, replica in present.items() if address in addresses]
        self.replicas[pool.name] = [*present.values(), *fresh]
        for replica in fresh:
            self._start_check(replica)
        if not fresh and all(replica.checked for replica in kept):
            self._leaving |= {r for r in present.values() if r not in kept and r.in_flight}
            self.replicas[pool.name] = kept

    def _log_unresolved(self, pool: PoolSpec, reason: str) -> None:
        now = time.monotonic()
        logged = self._unresolved.get(pool.name)
        if logged is None or logged[0] != reason or now - logged[1] >= _REPEAT_S:
            log.warning("pool not resolved", pool=pool.name, host=pool.host, reason=reason)
            self._unresolved[pool.name] = reason, now

    async def _check(self, replica: Replica) -> None:
        before, refused = replica.healthy, replica.tls_error
        await replica.check(self.session)
        replica.checked = True
        if replica.healthy != before:
            log.info(
                "replica health changed",
                pool=replica.pool.name,
                url=replica.url,
                healthy=replica.healthy,
            )
        if replica.tls_error not in (None, refused):
            log.warning(
                "TLS to a replica failed",
                pool=replica.pool.name,
                url=replica.url,
                name=replica.pool.server_name,
                reason=replica.tls_error,
            )


def _models(replicas: Iterable[Replica]) -> dict[str, dict[str, ModelInfo]]:
    served: dict[str, dict[str, ModelInfo]] = defaultdict(dict)
    for replica in replicas:
        for name, info in replica.models.items():
            if replica.serves(name):
                served[name].setdefault(replica.pool.name, info)
    return served


def _pick_pool(replicas: Sequence[Replica]) -> Sequence[Replica]:
    """Returns the replicas of one pool, drawn by weight; all are drawn alike if all have 0."""
    pools = {replica.pool.name: replica.pool.weight for replica in replicas}
    if len(pools) == 1:
        return replicas
    weights = list(pools.values()) if any(pools.values()) else [1] * len(pools)
    (drawn,) = random.choices(list(pools), weights)
    return [replica for replica in replicas if replica.pool.name == drawn]


def _least_loaded(replicas: Sequence[Replica]) -> Replica:
    """Returns a replica with the fewest requests in flight, at random where there are several."""
    fewest = min(replica.in_flight for replica in replicas)
    candidates = [replica for replica in replicas if replica.in_flight == fewest]
    return random.choice(candidates)
