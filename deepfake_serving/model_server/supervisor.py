"""Keeps TorchServe alive and knows, truly, whether it can serve.

Start: Java, registration, workers, one proven prediction a model; only then ready. Afterwards it
looks every second: a model without workers is not ready, and is proven again when they are back;
Java that died is started again; what has not come back within `recovery_timeout_s` ends the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

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
from deepfake_serving.model_server.torchserve.config import prepare
from deepfake_serving.model_server.torchserve.process import TorchServeProcess, reap
from deepfake_serving.model_server.torchserve.warmup import (
    WARMUP_JPEG,
    WarmupCheckFailed,
    check_answer,
)

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
_LOOK_EVERY_AT_START_S = 0.1


class StartupFailed(Exception):
    """TorchServe can't serve and won't be waited for any longer."""


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
        self._scratch = tempfile.TemporaryDirectory(prefix="deepfake-")

    async def run(self) -> None:
        """Starts and watches until cancelled.

        Raises:
            GaveUp: after logging the workers' last words.
        """
        loop = asyncio.get_running_loop()
        patience = self.settings.start_timeout_s
        lost_since: float | None = loop.time()
        while True:
            await self._look()
            if all(model.ready for model in self.state.models.values()):
                lost_since, patience = None, self.settings.recovery_timeout_s
                if self.state.phase is Phase.STARTING:
                    self._set_phase(Phase.SERVING)
            elif lost_since is None:
                lost_since = loop.time()
                log.warning("not ready", **self.state.describe())
            elif loop.time() - lost_since > patience:
                self._give_up(patience)
            await self._pause()

    async def stop(self) -> None:
        """Ends TorchServe and everything that it started."""
        self._set_phase(Phase.DEAD)
        await self._disconnect()
        if self.process is not None:
            await self.process.stop()
            reap(None)
        self._scratch.cleanup()

    def drain(self) -> None:
        """From now on not ready; what is in flight goes on."""
        self._set_phase(Phase.DRAINING)

    async def _pause(self) -> None:
        """Until the next look; a change that somebody else noticed ends it early."""
        starting = self.state.phase is Phase.STARTING
        interval = _LOOK_EVERY_AT_START_S if starting else _LOOK_EVERY_S
        with contextlib.suppress(TimeoutError):
            # asyncio.wait_for of Python 3.11 would lose a cancellation that comes with a change
            async with asyncio.timeout(interval):
                await self.state.changed()

    async def _look(self) -> None:
        """One look at the world, and what can be done about it at once."""
        if self.process is None or not self.process.alive:
            await self._start()
        assert self.process is not None
        reap(self.process.pid)
        if self.upstream is None:
            await self._register()
        if self.upstream is not None:
            for name, model in self.models.items():
                await self._look_at(name, model, self.upstream)
            if all(model.workers_ready for model in self.state.models.values()):
                self._open(self.upstream)

    async def _look_at(self, name: str, model: ServedModel, upstream: Upstream) -> None:
        state = self.state.models[name]
        state.workers_ready = await upstream.workers_ready(model)
        enough = state.workers_wanted if self.state.phase is Phase.STARTING else 1
        if state.workers_ready == 0:
            state.warm = False
        elif not state.warm and state.workers_ready >= enough:
            state.warm = await self._warm_up(model, upstream)

    async def _start(self) -> None:
        if self.process is not None:
            log.error("TorchServe ended", last_words=self.process.last_words())
            await self._disconnect()
            await self.process.stop()
            self.metrics.restarts.inc()
        for model in self.state.models.values():
            model.workers_ready, model.warm = 0, False
        self.launch = prepare(self.settings, self.placement, self.models, Path(self._scratch.name))
        self.process = await TorchServeProcess.start(self.launch)
        log.info("TorchServe started", pid=self.process.pid)

    async def _register(self) -> None:
        """Registers the models as soon as management answers."""
        upstream = Upstream(self.launch.inference, self.launch.management)
        try:
            if await upstream.alive():
                async with asyncio.timeout(self.settings.start_timeout_s):
                    for model in self.models.values():
                        await upstream.register(model, int(self.settings.request_timeout_s) + 60)
                self.upstream = upstream
        except TorchServeLost as lost:
            log.warning("TorchServe was lost while it took the models", reason=str(lost))
        except RegistrationFailed as error:
            raise StartupFailed(f"TorchServe refused an archive: {error}") from error
        except TimeoutError as error:
            raise StartupFailed("TorchServe lives, but does not take the models") from error
        finally:
            if self.upstream is not upstream:
                await upstream.close()

    def _open(self, upstream: Upstream) -> None:
        """Lets predictions flow, from the first time on that every model has a worker."""
        if self.predictor.upstream is None:
            self.predictor.upstream = upstream
            self.state.notify()

    async def _disconnect(self) -> None:
        upstream, self.upstream, self.predictor.upstream = self.upstream, None, None
        if upstream is not None:
            await upstream.close()

    async def _warm_up(self, model: ServedModel, upstream: Upstream) -> bool:
        headers = {"Content-Type": "application/octet-stream", "X-Request-ID": "warm-up"}
        try:
            # as many as workers, at once: most meet their first image here and not in a request
            replies = await asyncio.gather(
                *(
                    upstream.predict(model, WARMUP_JPEG, headers, self.settings.request_timeout_s)
                    for _ in range(model.workers)
                )
            )
            for reply in replies:
                if reply.problem is not None:
                    raise reply.problem
                check_answer(model, reply.document)
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

    def _give_up(self, patience: float) -> None:
        assert self.process is not None
        words = self.process.last_words()
        log.error("giving up", after_s=patience, last_words=words, **self.state.describe())
        raise StartupFailed(
            f"not ready for {patience:.0f} s; the last lines: " + "\n".join(words[-15:])
        )
