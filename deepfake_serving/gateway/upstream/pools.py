"""The replicas of all pools, kept up to date, and the choice of one for each request.

A request is given to the replica with the fewest requests in flight, so that neither kept-alive
connections nor HTTP/2 stick to one; addresses behind a name are looked up anew every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

import aiohttp
import structlog

from deepfake_serving.contracts.problems import Overloaded, UnknownModel, UpstreamUnavailable
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.replicas import Replica

log = structlog.get_logger(__name__)

_CHECK_S = 1.0
_RESOLVE_S = 2.0


class Pools:
    """All replicas. Run `watching` around its use."""

    def __init__(self, routing: Routing, session: aiohttp.ClientSession) -> None:
        self.routing, self.session = routing, session
        self.replicas: dict[str, list[Replica]] = {pool.name: [] for pool in routing.pools}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Looks after the replicas meanwhile; they are known when it begins."""
        await asyncio.gather(*(self._resolve(pool) for pool in self.routing.pools))
        await self._check_all()
        tasks = [asyncio.create_task(self._resolving()), asyncio.create_task(self._checking())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def all(self) -> Iterable[Replica]:
        return (replica for replicas in self.replicas.values() for replica in replicas)

    def models(self) -> dict[str, dict[str, ModelRef]]:
        """What is served: by model, by pool. Where a pool's replicas differ, the first one's."""
        served: dict[str, dict[str, ModelRef]] = defaultdict(dict)
        for replica in self.all():
            for name, ref in replica.models.items():
                if replica.serves(name):
                    served[name].setdefault(replica.pool.name, ref)
        return served

    def ready(self) -> bool:
        return any(replica.healthy for replica in self.all())

    def choose(self, model: str | None, tried: Sequence[Replica] = ()) -> Replica:
        """The replica that a request for a model goes to.

        Args:
            tried: those that have failed it already; asked again only where there is no other.

        Raises:
            UnknownModel: no pool serves it.
            UpstreamUnavailable: all that serve it are down.
            Overloaded: all that serve it are full.
        """
        serving = [replica for replica in self.all() if replica.serves(model)]
        if not serving:
            raise self._nobody(model)
        fresh = [replica for replica in serving if replica not in tried] or serving
        free = [replica for replica in fresh if not replica.full]
        if not free:
            raise Overloaded("all model servers are full", retry_after_s=1)
        first = min(replica.pool.priority for replica in free)
        return _least(_weighted([r for r in free if r.pool.priority == first]))

    def _nobody(self, model: str | None) -> Exception:
        known = sorted({name for replica in self.all() for name in replica.models})
        if model is not None and known and model not in known:
            return UnknownModel(f"there is no model {model!r}; served are: {', '.join(known)}")
        what = "no model server" if model is None else f"no model server with {model}"
        return UpstreamUnavailable(f"{what} is up", retry_after_s=5)

    async def _resolving(self) -> None:
        while True:
            await asyncio.sleep(_RESOLVE_S)
            await asyncio.gather(*(self._resolve(pool) for pool in self.routing.pools))

    async def _checking(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            await self._check_all()

    async def _resolve(self, pool: PoolSpec) -> None:
        """Adds the addresses that are new and drops those that are gone; a failed lookup changes
        nothing, since the replicas may well be there while the name server is not."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                pool.host, pool.port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            log.warning("unresolved", pool=pool.name, host=pool.host, reason=str(error))
            return
        addresses = {str(entry[4][0]) for entry in found}
        present = {replica.address: replica for replica in self.replicas[pool.name]}
        fresh = [Replica(pool, address) for address in sorted(addresses - set(present))]
        for replica in fresh:
            await replica.check(self.session)
        kept = [replica for address, replica in present.items() if address in addresses]
        self.replicas[pool.name] = kept + fresh

    async def _check_all(self) -> None:
        before = {replica: replica.healthy for replica in self.all()}
        await asyncio.gather(*(replica.check(self.session) for replica in before))
        for replica, healthy in before.items():
            if replica.healthy != healthy:
                log.info(
                    "replica", pool=replica.pool.name, url=replica.url, healthy=replica.healthy
                )


def _weighted(replicas: Sequence[Replica]) -> Sequence[Replica]:
    """Those of one pool, drawn by the pools' weights; a weight of 0 only where all have it."""
    pools = {replica.pool.name: replica.pool.weight for replica in replicas}
    if len(pools) == 1:
        return replicas
    weights = list(pools.values()) if any(pools.values()) else [1] * len(pools)
    (drawn,) = random.choices(list(pools), weights)
    return [replica for replica in replicas if replica.pool.name == drawn]


def _least(replicas: Sequence[Replica]) -> Replica:
    """The one with the fewest requests in flight; any of several."""
    fewest = min(replica.in_flight for replica in replicas)
    idle = [replica for replica in replicas if replica.in_flight == fewest]
    return random.choice(idle)
