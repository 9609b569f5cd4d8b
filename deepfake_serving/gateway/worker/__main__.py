"""Runs a worker, which takes jobs: `python -m deepfake_serving.gateway.worker`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

import aiohttp
import structlog
import uvloop

from deepfake_serving.contracts.jobs import LIVE
from deepfake_serving.gateway.fetch.fetcher import open_fetcher
from deepfake_serving.gateway.jobs.loop import Handler, Worker
from deepfake_serving.gateway.jobs.store import open_store
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.settings import Settings, SettingsError, load_settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.worker.live import LiveJob
from deepfake_serving.gateway.worker.video import VideoJob
from deepfake_serving.runtime.listeners import metrics_listener
from deepfake_serving.runtime.logs import configure_logs
from deepfake_serving.runtime.shutdown import on_stop_signal
from deepfake_serving.runtime.tracing import configure_tracing

log = structlog.get_logger(__name__)


async def work(settings: Settings, *, with_parent: bool = False) -> int:
    """Works until SIGTERM or SIGINT: then no new job, `worker_drain_s` for those that run, and what
    is left goes back to the queue.

    Args:
        with_parent: whether the end of standard input, a pipe of the parent's, ends it too.
    """
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    if with_parent:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            metrics_listener(metrics, settings.host, settings.worker_metrics_port)
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
        )
        pools = Pools(settings.routing, session)
        await stack.enter_async_context(pools.monitor())
        metrics.watch(pools)
        upstream = Upstream(pools, lambda pool: metrics.retries.labels(pool).inc())
        store = await stack.enter_async_context(
            open_store(
                settings.jobs, max_queued=settings.max_queued, max_attempts=settings.max_attempts
            )
        )
        objects = Objects.open(settings.objects)
        fetcher = open_fetcher(settings)
        log.info("working", metrics=port)
        handlers: dict[str, Handler] = {
            "video": VideoJob(settings, upstream, objects, fetcher),
            LIVE: LiveJob(settings, upstream, objects, fetcher, metrics.window_analysed),
        }
        metrics.expect_jobs(handlers)
        worker = Worker(
            store,
            handlers,
            lease_s=settings.lease_s,
            places={
                "jobs": settings.worker_jobs,
                "live": settings.worker_sources if settings.source_enabled else 0,
            },
            drain_s=settings.worker_drain_s,
            ended=metrics.job_ended,
        )
        await worker.run(stop)
    log.info("stopped")
    return 0


def main() -> int:
    """Exit codes: 0 after a signal, 2 for a wrong setting."""
    try:
        settings = load_settings()
        configure_logs(settings)
        configure_tracing("deepfake-worker")
        return uvloop.run(work(settings, with_parent="--with-parent" in sys.argv))
    except SettingsError as error:
        print(f"deepfake-serving: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
