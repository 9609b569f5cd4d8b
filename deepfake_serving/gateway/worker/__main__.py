"""Runs a worker process: `python -m deepfake_serving.gateway.worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import structlog
import uvloop

from deepfake_serving.contracts.jobs import IMAGE, LIVE, PART, VIDEO
from deepfake_serving.gateway.auth.usage import UsageMeter
from deepfake_serving.gateway.composition import Services, open_services
from deepfake_serving.gateway.fetch.sites import SCRATCH, Sites
from deepfake_serving.gateway.jobs.loop import WORKSPACES, Handler, Worker
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.turns import Turns
from deepfake_serving.gateway.settings import ENV_PREFIX, Settings, SettingsError, load_settings
from deepfake_serving.gateway.worker.image import ImageJob
from deepfake_serving.gateway.worker.live import LiveJob
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.part import PartJob
from deepfake_serving.gateway.worker.part_media import PartMedia
from deepfake_serving.gateway.worker.video import VideoJob
from deepfake_serving.provenance.reader import MAX_CONCURRENT, ProvenanceReader, read_anchors
from deepfake_serving.runtime.listeners import metrics_listener
from deepfake_serving.runtime.logs import configure_logs
from deepfake_serving.runtime.process.environment import hide_from_children
from deepfake_serving.runtime.process.memory import share_one_arena
from deepfake_serving.runtime.process.shutdown import on_stop_signal
from deepfake_serving.runtime.scratch.workspaces import delete_abandoned
from deepfake_serving.runtime.tracing import exported_traces
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.people.manifest import PersonModelError

log = structlog.get_logger(__name__)

_EMBEDDED_NICE = 5
"""A worker that shares a gateway's processors, and the processes that decode its videos, yield to
requests, whose clients wait."""


async def work(settings: Settings, *, with_parent: bool = False) -> int:
    """Runs jobs until a stop signal, then drains.

    During the drain no job is claimed. Jobs that still run after `worker_drain_s` return to the
    queue.

    Args:
        with_parent: Also end when standard input, a pipe of the parent process, is closed.
    """
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    if with_parent:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    metrics = Metrics()
    metrics.watch_readiness(lambda: not stop.is_set())
    async with (
        metrics_listener(
            metrics,
            settings.host,
            settings.worker_metrics_port,
            ENV_PREFIX + "WORKER_METRICS_PORT",
        ) as port,
        open_services(settings, metrics) as services,
    ):
        for prefix in (WORKSPACES, SCRATCH):
            await asyncio.to_thread(delete_abandoned, prefix)
        log.info("ready", metrics_port=port)
        usage = UsageMeter(services.store.backend.usage, metrics.key_used)
        with contextlib.closing(PartMedia(services.store, services.objects)) as part_media:
            worker = _new_worker(settings, metrics, services, usage, part_media)
            async with usage.flushing():
                await worker.run(stop)
    log.info("stopped")
    return 0


def _embedder(settings: Settings) -> FaceEmbedder | None:
    """Loads the model that embeds faces, if one is set."""
    if settings.person_model is None:
        return None
    try:
        return FaceEmbedder(settings.person_model)
    except PersonModelError as error:
        raise SettingsError(f"person_model: {error}") from error


def _new_worker(
    settings: Settings,
    metrics: Metrics,
    services: Services,
    usage: UsageMeter,
    part_media: PartMedia,
) -> Worker:
    upstream, objects, fetcher = services.upstream, services.objects, services.fetcher
    sites = None
    if fetcher is not None and settings.fetch_sites:
        sites = Sites(fetcher, settings.fetch_private)
    video = VideoJob(
        settings,
        upstream,
        objects,
        JobMedia(objects, fetcher, usage.add, sites),
        services.predictions,
        _embedder(settings),
        services.store,
    )
    provenance = ProvenanceReader(
        read_anchors(settings.provenance_anchors), slots=Turns(MAX_CONCURRENT)
    )
    handlers: dict[str, Handler] = {
        IMAGE: ImageJob(
            settings,
            upstream,
            objects,
            JobMedia(objects, fetcher, usage.add),
            provenance,
            services.on_image,
        ),
        VIDEO: video,
        PART: PartJob(objects, part_media, video.analyse_part),
        LIVE: LiveJob(settings, upstream, objects, fetcher, usage, metrics.window_analysed),
    }
    metrics.expect_jobs(handlers)
    return Worker(
        services.store,
        handlers,
        lease_s=settings.lease_s,
        concurrency={
            "jobs": settings.worker_jobs,
            "images": settings.worker_images,
            "live": settings.worker_sources if settings.source_enabled else 0,
        },
        drain_s=settings.worker_drain_s,
        while_running=metrics.job_running,
        on_end=metrics.job_ended,
        count_usage=usage.add,
        can_run=upstream.pools.up,
    )


def main() -> int:
    """Runs a worker. Returns the exit code: 0 after a signal, 2 for an invalid setting."""
    share_one_arena()
    hide_from_children()
    try:
        settings = load_settings()
        configure_logs(settings)
        os.umask(0o077)  # media, results and the job store are for this user alone
        with_parent = "--with-parent" in sys.argv
        if with_parent:
            os.nice(_EMBEDDED_NICE)
        with exported_traces("deepfake-worker"):
            return uvloop.run(work(settings, with_parent=with_parent))
    except SettingsError as error:
        print(f"deepfake-serving: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
