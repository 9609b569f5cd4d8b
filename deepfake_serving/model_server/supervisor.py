"""Supervises TorchServe and determines readiness.

Start: Java, registration, workers, a warm-up check of each model; only then ready. Afterwards it
checks every second. A model without workers is not ready, and is warmed up again once they are
back; workers that hang are ended. A dead Java is restarted. A server that is not ready for
`recovery_timeout_s` ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil

import structlog

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import Placement, ServedModel
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.state import Phase, ServerState
from deepfake_serving.model_server.torchserve.client import (
    RegistrationFailed,
    TorchServeLost,
    Upstream,
    WorkerLost,
)
from deepfake_serving.model_server.torchserve.config import prepare, response_timeout_s
from deepfake_serving.model_server.torchserve.lost_workers import LostWorkers
from deepfake_serving.model_server.torchserve.process import TorchServeProcess, reap
from deepfake_serving.model_server.torchserve.recycling import Recycler
from deepfake_serving.model_server.torchserve.stalled_workers import StalledWorkers
from deepfake_serving.model_server.torchserve.tokens import read_tokens
from deepfake_serving.model_server.torchserve.warmup import (
    WARMUP_JPEG,
    WarmupCheckFailed,
    check_result,
)
from deepfake_serving.runtime.scratch.workspaces import tidy_workspace

log = structlog.get_logger(__name__)

_SCRATCH = "deepfake-torchserve-"
"""Prefix of the folders of TorchServe: unpacked archives, and the native libraries of Java."""

_CHECK_INTERVAL_S = 1.0
_STARTING_INTERVAL_S = 0.1
_REPORT_INTERVAL_S = 30.0
"""Seconds between log lines that say why models are not ready yet."""
_REPORTED_LINES = 5


class StartupFailed(Exception):
    """TorchServe did not become ready in time, or can't serve these models."""


class Supervisor:
    """Owns the TorchServe process and writes the server's state."""

    def __init__(
        self,
        settings: Settings,
        placement: Placement,
        models: dict[str, ServedModel],
        predictor: Predictor,
        state: ServerState,
        metrics: Metrics,
    ) -> None:
        self.settings, self.placement, self.models = settings, placement, models
        self.predictor, self.state, self.metrics = predictor, state, metrics
        self.process: TorchServeProcess | None = None
        self.upstream: Upstream | None = None
        self._recycler = Recycler(
            settings.worker_max_growth_bytes,
            settings.start_timeout_s,
            predictor.admission,
            lambda model: metrics.recycled.labels(model).inc(),
        )
        self._recycling = False
        """Whether a worker was being replaced at the last check."""
        self._lost = LostWorkers(lambda model: metrics.lost.labels(model).inc())
        self._stalled = StalledWorkers()
        self._closing = contextlib.ExitStack()
        self._scratch = self._closing.enter_context(tidy_workspace(_SCRATCH))

    async def run(self) -> None:
        """Starts TorchServe and supervises it until cancelled.

        Raises:
            StartupFailed: after logging the workers' last lines.
        """
        loop = asyncio.get_running_loop()
        timeout_s = self.settings.start_timeout_s
        not_ready_since: float | None = loop.time()
        report_at = loop.time() + _REPORT_INTERVAL_S
        while True:
            await self._check()
            if all(model.ready for model in self.state.models.values()):
                not_ready_since, timeout_s = None, self.settings.recovery_timeout_s
                if self.state.phase is Phase.STARTING:
                    self._set_phase(Phase.SERVING)
            elif not_ready_since is None:
                not_ready_since = loop.time()
                report_at = loop.time() + _REPORT_INTERVAL_S
                log.warning("not ready", **self.state.describe())
            elif loop.time() - not_ready_since > timeout_s:
                self._fail(timeout_s)
            elif loop.time() > report_at and self.process is not None:
                report_at = loop.time() + _REPORT_INTERVAL_S
                lines = self.process.last_words()[-_REPORTED_LINES:]
                log.warning("not ready", last_words=lines, **self.state.describe())
            await self._pause()

    async def stop(self) -> None:
        """Stops TorchServe and all its children."""
        self._set_phase(Phase.DEAD)
        await self._disconnect()
        if self.process is not None:
            await self.process.stop()
            reap(None)
        self._closing.close()

    def drain(self) -> None:
        """Makes the server not ready; requests in flight continue."""
        self._set_phase(Phase.DRAINING)

    async def _pause(self) -> None:
        """Waits for the next check, or for a change of state."""
        starting = self.state.phase is Phase.STARTING
        interval = _STARTING_INTERVAL_S if starting else _CHECK_INTERVAL_S
        with contextlib.suppress(TimeoutError):
            # asyncio.wait_for of Python 3.11 would lose a cancellation that comes with a change
            async with asyncio.timeout(interval):
                await self.state.changed()

    async def _check(self) -> None:
        """Checks the process, the registration and the workers, and restarts lost ones."""
        if self.process is None or not self.process.alive:
            await self._start()
        assert self.process is not None
        reap(self.process.pid)
        if self.upstream is None:
            await self._register()
        if self.upstream is not None:
            for name, model in self.models.items():
                await self._check_model(name, model, self.upstream)
            if all(model.workers_ready for model in self.state.models.values()):
                self._connect(self.upstream)

    async def _check_model(self, name: str, model: ServedModel, upstream: Upstream) -> None:
        state = self.state.models[name]
        workers = await upstream.workers(model)
        ready = [worker for worker in workers if worker.ready]
        state.worker_pids = [worker.pid for worker in ready if worker.pid is not None]
        state.workers_ready = len(ready)
        if workers:  # TorchServe lives: its workers would end with it
            self._lost.check(name, state.worker_pids, expected=self._recycling)
        self._stalled.check(name, state.worker_pids, self.predictor.admission[name].in_flight)
        enough = state.workers_wanted if self.state.phase is Phase.STARTING else 1
        if state.workers_ready == 0:
            state.warm = False
        elif not state.warm and state.workers_ready >= enough:
            state.warm = await self._warm_up(model, upstream)
        elif state.warm:
            await self._recycler.check(model, upstream)
        self._recycling = self._recycler.busy

    async def _start(self) -> None:
        if self.process is not None:
            log.error("TorchServe ended", last_words=self.process.last_words())
            await self._disconnect()
            await self.process.stop()
            self._lost.forget()
            self.metrics.restarts.inc()
        for model in self.state.models.values():
            model.workers_ready, model.warm = 0, False
        self.launch = prepare(self.settings, self.placement, self.models, self._scratch)
        self.process = await TorchServeProcess.start(self.launch)
        log.info("TorchServe started", pid=self.process.pid)

    async def _register(self) -> None:
        """Registers the models once the management interface responds."""
        tokens = read_tokens(self.launch.directory)
        if tokens is None:
            return
        upstream = Upstream(self.launch.inference, self.launch.management, tokens)
        try:
            if await upstream.alive():
                async with asyncio.timeout(self.settings.start_timeout_s):
                    for model in self.models.values():
                        await upstream.register(model, response_timeout_s(self.settings))
                self.upstream = upstream
        except TorchServeLost as lost:
            log.warning("TorchServe was lost while registering the models", reason=str(lost))
        except RegistrationFailed as error:
            free = shutil.disk_usage(self._scratch).free // 2**20
            reason = f"TorchServe refused an archive: {error}"
            raise StartupFailed(f"{reason}; {self._scratch} has {free} MiB free") from error
        except TimeoutError as error:
            raise StartupFailed(
                "TorchServe is alive, but registering the models timed out"
            ) from error
        finally:
            if self.upstream is not upstream:
                await upstream.close()

    def _connect(self, upstream: Upstream) -> None:
        """Enables predictions once every model has a worker."""
        if self.predictor.upstream is None:
            self.predictor.upstream = upstream
            self.state.notify()

    async def _disconnect(self) -> None:
        await self._recycler.stop()
        upstream, self.upstream, self.predictor.upstream = self.upstream, None, None
        if upstream is not None:
            await upstream.close()

    async def _warm_up(self, model: ServedModel, upstream: Upstream) -> bool:
        headers = {"Content-Type": "application/octet-stream", "X-Request-ID": "warm-up"}
        try:
            # one concurrent prediction per worker, so that most warm up before the first request
            replies = await asyncio.gather(
                *(
                    upstream.predict(model, WARMUP_JPEG, headers, self.settings.request_timeout_s)
                    for _ in range(model.workers)
                )
            )
            for reply in replies:
                if reply.problem is not None:
                    raise reply.problem
                check_result(model, reply.document)
        except (WorkerLost, Problem, TimeoutError) as error:
            log.warning("warm-up failed", model=model.name, reason=str(error))
            return False
        except WarmupCheckFailed as error:
            raise StartupFailed(str(error)) from error
        log.info("model ready", model=model.name, digest=model.archive.digest)
        return True

    def _set_phase(self, phase: Phase) -> None:
        self.state.phase = phase
        self.state.notify()
        log.info("phase", phase=phase.value)

    def _fail(self, timeout_s: float) -> None:
        assert self.process is not None
        lines = self.process.last_words()
        log.error("giving up", after_s=timeout_s, last_words=lines, **self.state.describe())
        raise StartupFailed(
            f"not ready for {timeout_s:.0f} s; the last lines: " + "\n".join(lines[-15:])
        )
