"""The composition of the server: listeners, TorchServe, signals, and an orderly shutdown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import web

from deepfake_serving.model_server.grpc_api.server import build_server
from deepfake_serving.model_server.http.app import build_app, build_probes
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import choose_placement, served_models
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.settings import ENV_PREFIX, Settings, SettingsError
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.model_server.supervisor import StartupFailed, Supervisor
from deepfake_serving.model_server.torchserve.process import adopt_orphans
from deepfake_serving.runtime.listeners import (
    bind_errors,
    bind_grpc,
    metrics_listener,
    open_listener,
)
from deepfake_serving.runtime.process.memory import return_freed_memory
from deepfake_serving.runtime.process.shutdown import CLOSE_S, drain, stop_signals
from deepfake_serving.runtime.rpc.listener import GrpcListener
from deepfake_serving.runtime.tasks import background, first_of
from deepfake_serving.runtime.tls.certificates import Certificates
from deepfake_serving.runtime.tls.files import TLSFiles
from deepfake_serving.runtime.tls.grpc_credentials import server_credentials

log = structlog.get_logger(__name__)

_READ_AHEAD = 2**20
"""Read buffer of a body in bytes; aiohttp's 64 KiB slow large bodies down."""


class Server:
    """The model server: construct, then `run`."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` or `ManifestError` where the models can't be served."""
        self.settings = settings
        self.certificates = _certificates(settings)
        placement = choose_placement(settings)
        models = served_models(settings, placement)
        self.state = ServerState({name: model.workers for name, model in models.items()})
        self.admission = {
            n: AdmissionController(m.max_in_flight, settings.max_queue) for n, m in models.items()
        }
        self.metrics = Metrics(models, self.admission, self.state)
        if self.certificates is not None:
            self.metrics.watch_certificates(self.certificates)
        self.predictor = Predictor(settings, models, self.admission, self.state, self.metrics)
        self.supervisor = Supervisor(
            settings, placement, models, self.predictor, self.state, self.metrics
        )
        self.models = models

    async def run(self, on_ready: Callable[[dict[str, int]], None] | None = None) -> int:
        """Serves until a signal or the end of TorchServe; returns the process's exit code.

        SIGTERM, SIGINT and SIGHUP: not ready, `drain_delay_s` of further service, no new
        connections, requests in flight finished within `drain_timeout_s`, TorchServe stopped, exit
        code 0. A second signal stops at once.
        """
        adopt_orphans()
        for model in self.models.values():
            if not model.ref.trained:
                log.warning("untrained model: its verdicts are meaningless", model=model.name)
        signals = stop_signals()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(background(return_freed_memory()))
            ports = await self._listen(stack)
            log.info("listening", host=self.settings.host, **ports)
            stack.push_async_callback(self.supervisor.stop)
            supervising = asyncio.create_task(self.supervisor.run())
            announcing = asyncio.create_task(self._announce(ports, on_ready))
            stopping = asyncio.create_task(signals.get())
            done, _ = await asyncio.wait(
                {supervising, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            announcing.cancel()
            code = 0
            if supervising in done:
                code = _exit_code(supervising)
            else:
                self.supervisor.drain()
                await self._drain(signals)
            supervising.cancel()
            with contextlib.suppress(asyncio.CancelledError, StartupFailed):
                await supervising
        log.info("stopped", code=code)
        return code

    async def _listen(self, stack: contextlib.AsyncExitStack) -> dict[str, int]:
        """Opens metrics, REST, gRPC and probes; on exit requests in flight have `CLOSE_S` left."""
        settings, ports = self.settings, {}
        ports["metrics"] = await stack.enter_async_context(
            metrics_listener(
                self.metrics, settings.host, settings.metrics_port, ENV_PREFIX + "METRICS_PORT"
            )
        )
        self._rest = web.AppRunner(
            build_app(self.predictor),
            handler_cancellation=True,
            access_log=None,
            read_bufsize=_READ_AHEAD,
            shutdown_timeout=CLOSE_S,
        )
        await self._rest.setup()
        stack.push_async_callback(self._rest.cleanup)
        with bind_errors(ENV_PREFIX + "HTTP_PORT", settings.host, settings.http_port):
            listener = open_listener(settings.host, settings.http_port)
        certificates = self.certificates
        tls = certificates.context() if certificates else None
        await web.SockSite(self._rest, listener, ssl_context=tls).start()
        ports["http"] = int(self._rest.addresses[0][1])
        self._grpc = GrpcListener(
            partial(build_server, self.predictor),
            partial(
                bind_grpc,
                settings.host,
                variable=ENV_PREFIX + "GRPC_PORT",
                credentials=server_credentials(certificates) if certificates else None,
            ),
            self.metrics.grpc_restarts.inc,
        )
        ports["grpc"] = await stack.enter_async_context(
            self._grpc.listening(settings.host, settings.grpc_port)
        )
        if settings.probe_port is not None:
            ports["probe"] = await self._listen_to_probes(stack, settings.probe_port)
        return ports

    async def _listen_to_probes(self, stack: contextlib.AsyncExitStack, port: int) -> int:
        """Opens the port of probes, which stays open while the server drains."""
        probes = web.AppRunner(build_probes(self.predictor), access_log=None)
        await probes.setup()
        stack.push_async_callback(probes.cleanup)
        with bind_errors(ENV_PREFIX + "PROBE_PORT", self.settings.host, port):
            listener = open_listener(self.settings.host, port)
        await web.SockSite(probes, listener).start()
        return int(probes.addresses[0][1])

    async def _announce(
        self, ports: dict[str, int], on_ready: Callable[[dict[str, int]], None] | None
    ) -> None:
        while not self.state.ready:
            await self.state.changed()
        if on_ready is not None:
            on_ready(ports)

    async def _drain(self, signals: asyncio.Queue[None]) -> None:
        """Finishes requests in flight, unless a second signal arrives first."""
        first, _ = await first_of(self._finish(), signals.get())
        if first == 1:
            pending = self.state.in_flight.count
            log.warning("second signal: requests in flight are dropped", requests=pending)

    async def _finish(self) -> None:
        await drain(
            self.state.in_flight,
            self._close_listeners,
            self._grpc.stop,
            delay_s=self.settings.drain_delay_s,
            timeout_s=self.settings.drain_timeout_s,
        )

    async def _close_listeners(self) -> None:
        for site in tuple(self._rest.sites):
            await site.stop()


def _certificates(settings: Settings) -> Certificates | None:
    """Returns the certificates of REST and gRPC; None without TLS.

    Raises:
        SettingsError: a file is missing or wrong.
    """
    files = TLSFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    if files == TLSFiles(None, None, None):
        return None
    if files.certificate is None or files.key is None:
        raise SettingsError("tls_certificate and tls_key: TLS needs both")
    return Certificates(files, "server")


def _exit_code(supervising: asyncio.Task[None]) -> int:
    error = supervising.exception()
    if isinstance(error, StartupFailed):
        log.error("startup failed", reason=str(error))
    else:
        log.error("the supervisor failed", exc_info=error)
    return 1
