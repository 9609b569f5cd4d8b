"""Everything put together: listeners up, TorchServe up, signals heeded, and down again in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import structlog
from aiohttp import web

from deepfake_serving.model_server.grpc_api.server import build_server, follow_health
from deepfake_serving.model_server.http.app import build_app
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import place, served_models
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.settings import Settings, SettingsError
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.model_server.supervisor import StartupFailed, Supervisor
from deepfake_serving.model_server.torchserve.process import adopt_orphans

log = structlog.get_logger(__name__)

_READ_AHEAD = 2**20
"""Bytes of a body that may wait to be read; at aiohttp's 64 KiB large bodies come in fits."""
_QUIET_S = 0.25
"""After a signal, no request for this long means that none is on its way."""


class Server:
    """The model server: construct, then `run`."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` or `ManifestError` where the models can't be served."""
        self.settings = settings
        placement = place(settings)
        models = served_models(settings, placement)
        self.state = ServerState({name: model.workers for name, model in models.items()})
        self.gates = {
            n: AdmissionController(m.max_in_flight, settings.max_queue) for n, m in models.items()
        }
        self.metrics = Metrics(models, self.gates, self.state)
        self.predictor = Predictor(settings, models, self.gates, self.state, self.metrics)
        self.supervisor = Supervisor(
            settings, placement, models, self.predictor, self.state, self.metrics
        )
        self.models = models

    async def run(self, on_ready: Callable[[dict[str, int]], None] | None = None) -> int:
        """Serves until a signal or the end of TorchServe; returns the process's exit code.

        SIGTERM and SIGINT: not ready, `drain_delay_s` of further service, no new connections,
        what is in flight finished within `drain_timeout_s`, TorchServe stopped, 0. Twice: at once.
        """
        adopt_orphans()
        for model in self.models.values():
            if not model.ref.trained:
                log.warning("untrained model: its verdicts mean nothing", model=model.name)
        asked = _on_signals()
        async with contextlib.AsyncExitStack() as stack:
            ports = await self._listen(stack)
            log.info("listening", host=self.settings.host, **ports)
            stack.push_async_callback(self.supervisor.stop)
            supervising = asyncio.create_task(self.supervisor.run())
            announcing = asyncio.create_task(self._announce(ports, on_ready))
            stopping = asyncio.create_task(asked.get())
            done, _ = await asyncio.wait(
                {supervising, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            announcing.cancel()
            code = 0
            if supervising in done:
                code = _failed(supervising)
            else:
                self.supervisor.drain()
                await self._drain(asked)
            supervising.cancel()
            with contextlib.suppress(asyncio.CancelledError, StartupFailed):
                await supervising
        log.info("stopped", code=code)
        return code

    async def _listen(self, stack: contextlib.AsyncExitStack) -> dict[str, int]:
        """Opens REST, gRPC and metrics; on exit each ends only after its requests have."""
        settings = self.settings
        self._rest = web.AppRunner(
            build_app(self.predictor),
            handler_cancellation=True,
            access_log=None,
            read_bufsize=_READ_AHEAD,
            shutdown_timeout=settings.drain_timeout_s,
        )
        self._metrics = web.AppRunner(self._metrics_app(), access_log=None)
        ports = {}
        for name, runner, port in (
            ("metrics", self._metrics, settings.metrics_port),
            ("http", self._rest, settings.http_port),
        ):
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            with _naming(f"{name}_port", settings.host, port):
                await web.TCPSite(runner, settings.host, port).start()
            ports[name] = int(runner.addresses[0][1])
        self._grpc, checker = build_server(self.predictor)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        with _naming("grpc_port", host, settings.grpc_port):
            ports["grpc"] = self._grpc.add_insecure_port(f"{host}:{settings.grpc_port}")
        await self._grpc.start()
        stack.push_async_callback(self._grpc.stop, settings.drain_timeout_s)
        following = asyncio.create_task(follow_health(checker, self.state))
        stack.callback(following.cancel)
        return ports

    def _metrics_app(self) -> web.Application:
        async def metrics(_: web.Request) -> web.Response:
            return web.Response(
                body=self.metrics.exposition(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
            )

        app = web.Application()
        app.router.add_get("/metrics", metrics)
        return app

    async def _announce(
        self, ports: dict[str, int], on_ready: Callable[[dict[str, int]], None] | None
    ) -> None:
        while not self.state.ready:
            await self.state.changed()
        if on_ready is not None:
            on_ready(ports)

    async def _drain(self, asked: asyncio.Queue[int]) -> None:
        """Lets callers go and finishes their requests, unless a second signal comes."""
        again = asyncio.create_task(asked.get())
        finished = asyncio.create_task(self._let_go())
        done, pending = await asyncio.wait({again, finished}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if again in done:
            log.warning(
                "second signal: what is in flight is dropped", requests=self.state.exchanges
            )

    async def _let_go(self) -> None:
        await asyncio.sleep(self.settings.drain_delay_s)
        for site in tuple(self._rest.sites):
            await site.stop()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.settings.drain_timeout_s
        quiet_since = loop.time()
        while loop.time() < end and loop.time() - quiet_since < _QUIET_S:
            if self.state.exchanges:
                quiet_since = loop.time()
            await asyncio.sleep(0.02)
        await self._grpc.stop(max(0.0, end - loop.time()))


@contextlib.contextmanager
def _naming(setting: str, host: str, port: int) -> Iterator[None]:
    """Turns a port that can't be had into a setting that is wrong."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "can't be bound"
        raise SettingsError(f"{setting}: {host}:{port}: {reason}") from error


def _on_signals() -> asyncio.Queue[int]:
    """A queue that gets every SIGTERM and SIGINT."""
    asked: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.put_nowait, int(number))
    return asked


def _failed(supervising: asyncio.Task[None]) -> int:
    error = supervising.exception()
    if isinstance(error, StartupFailed):
        log.error("gave up", reason=str(error))
    else:
        log.error("the supervisor failed", exc_info=error)
    return 1
