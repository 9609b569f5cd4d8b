"""The parts that a gateway and a worker share, opened in order and closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from deepfake_serving.ensembles.spec import EnsembleError, EnsembleSpec, find_ensemble
from deepfake_serving.gateway.ensembles.upstream import EnsembleUpstream
from deepfake_serving.gateway.fetch.fetcher import Fetcher, open_fetcher
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.settings import Settings, SettingsError
from deepfake_serving.gateway.shadow.traffic import ShadowTraffic
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.connections import connector
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.runtime.process.memory import return_freed_memory
from deepfake_serving.runtime.tasks import background


@dataclass(frozen=True, slots=True)
class Services:
    """The model servers, the job store, the object store and the fetcher, if URLs are fetched."""

    upstream: Upstream
    store: JobStore
    objects: Objects
    fetcher: Fetcher | None


@asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """Opens the services while the context is open.

    Raises:
        SettingsError: a setting turns out to be wrong.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(background(return_freed_memory()))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector(), trust_env=False)
        )
        pools = Pools(settings.routing, session)
        await stack.enter_async_context(pools.monitor())
        metrics.watch(pools)
        store = await stack.enter_async_context(
            open_store(
                settings.jobs,
                max_queued=settings.max_queued,
                max_attempts=settings.max_attempts,
                redis_min_replicas=settings.redis_min_replicas,
            )
        )
        shadow = ShadowTraffic(
            pools,
            metrics.shadow,
            max_bytes=settings.shadow_max_bytes,
            timeout_s=settings.request_timeout_s,
        )
        await stack.enter_async_context(shadow.running())
        yield Services(
            upstream=EnsembleUpstream(
                pools,
                _ensembles(settings),
                metrics.ensembles,
                on_retry=lambda pool: metrics.retries.labels(pool).inc(),
                on_detected=shadow.offer,
                hedging=Hedging(settings.hedge_share, metrics.hedged)
                if settings.hedge_share
                else None,
            ),
            store=store,
            objects=Objects.open(settings.objects),
            fetcher=open_fetcher(settings),
        )


def _ensembles(settings: Settings) -> list[EnsembleSpec]:
    try:
        return [find_ensemble(name) for name in settings.ensembles]
    except EnsembleError as error:
        raise SettingsError(f"ensembles: {error}") from error
