"""Composition of the gateway: parts start in order and stop in reverse, on a stop signal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

import structlog
import uvicorn

from deepfake_serving.gateway.auth.authenticator import open_authenticator
from deepfake_serving.gateway.auth.usage import UsageMeter
from deepfake_serving.gateway.composition import open_services
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.feedback.images import AnalysedImages
from deepfake_serving.gateway.feedback.service import FeedbackService
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.grpc_api.server import build_server
from deepfake_serving.gateway.http.app import build_app
from deepfake_serving.gateway.http.connections import ConnectionTable, max_backlog
from deepfake_serving.gateway.http.protocol import LimitedHeadProtocol
from deepfake_serving.gateway.jobs.maintenance import run_maintenance
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.jobs.submission import Submission
from deepfake_serving.gateway.jobs.webhooks import delivering_webhooks
from deepfake_serving.gateway.live.websocket_protocol import LimitedWebSocketProtocol
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.health import StoreHealth
from deepfake_serving.gateway.queue.turns import Turns
from deepfake_serving.gateway.settings import ENV_PREFIX, Settings
from deepfake_serving.gateway.uploads.service import UploadLimits, Uploads
from deepfake_serving.gateway.worker.embedded import EmbeddedWorker
from deepfake_serving.provenance.reader import MAX_CONCURRENT, ProvenanceReader, read_anchors
from deepfake_serving.runtime.listeners import (
    bind_errors,
    bind_grpc,
    metrics_listener,
    open_listener,
)
from deepfake_serving.runtime.process.shutdown import CLOSE_S, drain, stop_signals
from deepfake_serving.runtime.rpc.listener import GrpcListener
from deepfake_serving.runtime.tasks import background, first_of

log = structlog.get_logger(__name__)

Ports = dict[str, int]


async def serve(settings: Settings, on_ready: Callable[[Ports], None] | None = None) -> int:
    """Serves until a signal; returns the process's exit code.

    SIGTERM, SIGINT and SIGHUP: not ready, `drain_delay_s` of further service, then no new
    connections, what is in flight finished within `drain_timeout_s`, 0. Twice: at once.

    Raises:
        SettingsError: a setting that turns out to be wrong when it is used.
    """
    signals = stop_signals()
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(settings))
        ports, server, rpc = await _listen(stack, gateway)
        log.info("listening", host=settings.host, **ports)
        if settings.embedded_worker:
            await stack.enter_async_context(EmbeddedWorker().running())
        announcing = asyncio.create_task(_announce(gateway, ports, on_ready))
        stack.callback(announcing.cancel)
        await signals.get()
        log.info("draining")
        await first_of(_drain(gateway, server, rpc), signals.get())
    log.info("stopped")
    return 0


async def _drain(gateway: Gateway, server: uvicorn.Server, rpc: GrpcListener) -> None:
    """Finishes what is in flight; each response closes its connection, so that clients move on."""

    async def close_listeners() -> None:
        for listener in server.servers:
            listener.close()

    gateway.draining = True
    settings = gateway.settings
    await drain(
        gateway.in_flight,
        close_listeners,
        rpc.stop,
        delay_s=settings.drain_delay_s,
        timeout_s=settings.drain_timeout_s,
    )


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Opens all parts behind the listeners, and closes them in reverse."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, metrics))
        upstream, store = services.upstream, services.store
        objects, fetcher = services.objects, services.fetcher
        health = StoreHealth(store.counts, store.backend.check_writes)
        await stack.enter_async_context(health.monitor())
        metrics.watch_jobs(health)
        usage = UsageMeter(store.backend.usage, metrics.key_used)
        authenticator = open_authenticator(settings, metrics.rate_limit_failures.inc, usage)
        stack.push_async_callback(authenticator.close)
        if authenticator.requires_key:
            await stack.enter_async_context(usage.flushing())
        images = AnalysedImages(
            store.backend.collection("images"),
            objects,
            max_count=settings.remember_images,
            keep_images=settings.retain_image_bytes > 0,
        )
        await stack.enter_async_context(images.flushing())
        uploads = Uploads(
            store.backend.collection("uploads"),
            objects,
            UploadLimits(
                settings.max_video_bytes,
                settings.max_uploads,
                settings.max_uploads_bytes,
                settings.upload_expire_s,
            ),
            store.clock,
            metrics.upload_events,
        )
        jobs, labels = JobService(store, objects), store.backend.collection("feedback")
        gateway = Gateway(
            settings=settings,
            metrics=metrics,
            authenticator=authenticator,
            upstream=upstream,
            submission=Submission(settings, store, objects, upstream, fetcher, uploads),
            uploads=uploads,
            jobs=jobs,
            feedback=FeedbackService(FeedbackStore(labels), images, jobs),
            store_health=health,
            fetcher=fetcher,
            provenance=ProvenanceReader(
                read_anchors(settings.provenance_anchors), slots=Turns(MAX_CONCURRENT)
            ),
            on_timed=services.on_image,
        )
        metrics.watch_readiness(lambda: not gateway.unready_reasons())
        await stack.enter_async_context(
            background(run_maintenance(settings, store, objects, metrics))
        )
        await stack.enter_async_context(
            delivering_webhooks(settings.webhook_secret, fetcher, store, metrics.webhook_attempted)
        )
        yield gateway


async def _listen(
    stack: AsyncExitStack, gateway: Gateway
) -> tuple[Ports, uvicorn.Server, GrpcListener]:
    """Opens HTTP, gRPC and metrics; on exit requests in flight have `CLOSE_S` left."""
    settings = gateway.settings
    ports = {}
    ports["metrics"] = await stack.enter_async_context(
        metrics_listener(
            gateway.metrics, settings.host, settings.metrics_port, ENV_PREFIX + "METRICS_PORT"
        )
    )
    with bind_errors(ENV_PREFIX + "HTTP_PORT", settings.host, settings.http_port):
        listener = open_listener(settings.host, settings.http_port, max_backlog())
    ports["http"] = listener.getsockname()[1]
    server = _Uvicorn(
        uvicorn.Config(
            build_app(gateway),
            http=cast(
                "type[asyncio.Protocol]",
                partial(
                    LimitedHeadProtocol,
                    table=ConnectionTable(settings.max_connections),
                    stall_timeout_s=settings.upload_stall_timeout_s,
                ),
            ),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=settings.keep_alive_timeout_s,
            timeout_graceful_shutdown=int(CLOSE_S),
            ws=cast(
                "type[asyncio.Protocol]",
                partial(LimitedWebSocketProtocol, stall_timeout_s=settings.upload_stall_timeout_s),
            ),
            ws_max_size=settings.max_image_bytes + 1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stack.push_async_callback(_stop, server, serving)
    rpc = GrpcListener(
        partial(build_server, gateway),
        partial(bind_grpc, settings.host, variable=ENV_PREFIX + "GRPC_PORT"),
        gateway.metrics.grpc_restarts.inc,
    )
    ports["grpc"] = await stack.enter_async_context(
        rpc.listening(settings.host, settings.grpc_port)
    )
    return ports, server, rpc


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers; `serve` has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop(server: uvicorn.Server, serving: asyncio.Task[Any]) -> None:
    server.should_exit = True
    await serving


async def _announce(
    gateway: Gateway, ports: Ports, on_ready: Callable[[Ports], None] | None
) -> None:
    while gateway.unready_reasons():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0.1)
    log.info("ready")
    if on_ready is not None:
        on_ready(ports)
