"""`python -m gateway.worker`: takes jobs and does them, beside a gateway or apart from it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

import aiohttp
import structlog
import uvloop

from contracts.jobs import LIVE
from gateway.fetching import open_fetcher
from gateway.jobs.store import open_store
from gateway.jobs.worker import Handler, Worker
from gateway.live_job import LiveJob
from gateway.metrics import Metrics
from gateway.objects import Objects
from gateway.pools import Pools
from gateway.server import serve_metrics
from gateway.settings import Settings, SettingsError, load_settings
from gateway.upstream import Upstream
from gateway.video_job import VideoJob
from serving.logs import configure_logs
from serving.tracing import configure_tracing

log = structlog.get_logger(__name__)


async def work(settings: Settings, *, with_parent: bool = False) -> int:
    """Works until SIGTERM or SIGINT: then no new job, `worker_drain_s` for those that run, and what
    is left goes back to the queue.

    Args:
        with_parent: whether the end of standard input, a pipe of the parent's, ends it too.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        port = await serve_metrics(stack, metrics, settings.host, settings.worker_metrics_port)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
        )
        pools = Pools(settings.routing, session)
        await stack.enter_async_context(pools.watching())
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
            LIVE: LiveJob(settings, upstream, objects, fetcher, metrics.window_judged),
        }
        metrics.expect_jobs(handlers)
        worker = Worker(
            store,
            handlers,
            lease_s=settings.lease_s,
            places={
                "jobs": settings.worker_jobs,
                "live": settings.worker_streams if settings.fetch_streams else 0,
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
