"""The supervisor: states of TorchServe and its reactions.

Java is replaced by an idle process, and TorchServe by a stub on a Unix socket, see
`tests/support/torchserve_stub.py`. The integration tests kill the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from deepfake_serving.contracts.problems import Internal
from deepfake_serving.model_server import supervisor as supervisor_module
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import Placement
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.state import Phase, ServerState
from deepfake_serving.model_server.supervisor import StartupFailed, Supervisor
from deepfake_serving.model_server.torchserve.config import Launch
from deepfake_serving.model_server.torchserve.tokens import KEY_FILE
from tests.support.served_models import served_model
from tests.support.torchserve_stub import (
    Reply,
    StubTorchServe,
    bad,
    good,
    hang_up,
    own,
    raw,
    torchserve,
)

SANE = good({"fake_probability": 0.5, "faces": [{"box": [80.0, 60.0, 168.0, 172.0]}]})
INSANE = good({"fake_probability": 0.5, "faces": []})
TAKEN = raw(202, b"{}", "application/json")


class FakeProcess:
    """A process that runs until it is stopped."""

    pid = 0

    def __init__(self) -> None:
        self.alive = True
        self.stopped = False

    def last_words(self) -> list[str]:
        return ["out of luck"]

    async def stop(self) -> None:
        self.alive, self.stopped = False, True


class World:
    """A supervisor and its simulated environment."""

    def __init__(self, stub: StubTorchServe, **settings: Any) -> None:
        self.stub = stub
        self.processes: list[FakeProcess] = []
        self.ready = ["READY", "READY"]
        self.prediction: Reply = SANE
        self.registration: list[Reply] = []
        stub.otherwise = self._response
        models = {"detector": served_model(workers=2)}
        gates = {"detector": AdmissionController(4, 4)}
        self.state = ServerState({"detector": 2})
        self.metrics = Metrics(models, gates, self.state)
        given = Settings(device="cpu", **settings)
        self.predictor = Predictor(given, models, gates, self.state, self.metrics)
        placement = Placement(0, 2, 1)
        self.supervisor = Supervisor(
            given, placement, models, self.predictor, self.state, self.metrics
        )

    async def _response(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/predictions/"):
            return await self.prediction(request)
        if request.method == "POST":
            return await (self.registration.pop(0) if self.registration else TAKEN)(request)
        if request.path == "/models":
            return await good({"models": []})(request)
        return await good([{"workers": [{"status": status} for status in self.ready]}])(request)

    def requested(self, method_or_path: str) -> int:
        return sum(each.path.startswith(method_or_path) for each in self.stub.requests)

    @property
    def scratch_is_left(self) -> bool:
        return self.supervisor._scratch.exists()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.002)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        running: Coroutine[Any, Any, None] = self.supervisor.run()
        task = asyncio.create_task(running)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Callable[..., World]]:
    async with torchserve() as (stub, _):
        worlds: list[World] = []

        async def start(_: Launch) -> FakeProcess:
            worlds[-1].processes.append(FakeProcess())
            (tmp_path / KEY_FILE).write_bytes(
                b'{"inference": {"key": "to-predict"}, "management": {"key": "to-manage"}}'
            )
            return worlds[-1].processes[-1]

        def prepare(*_: Any) -> Launch:
            return Launch([], {}, tmp_path, stub.address, stub.address)

        def created(**settings: Any) -> World:
            worlds.append(World(stub, **settings))
            return worlds[-1]

        monkeypatch.setattr(supervisor_module.TorchServeProcess, "start", start)
        monkeypatch.setattr(supervisor_module, "prepare", prepare)
        monkeypatch.setattr(supervisor_module, "reap", lambda _: None)
        monkeypatch.setattr(supervisor_module, "_CHECK_INTERVAL_S", 0.005)
        monkeypatch.setattr(supervisor_module, "_STARTING_INTERVAL_S", 0.005)
        yield created
        for world in worlds:
            await world.supervisor.stop()


async def test_readiness_needs_all_workers_and_a_correct_warm_up(
    make: Callable[..., World],
) -> None:
    world = make()
    world.ready = ["READY", "LOADING"]
    async with world.running():
        await world.until(lambda: world.state.models["detector"].workers_ready == 1)
        assert not world.state.ready
        assert world.requested("/predictions") == 0
        world.ready = ["READY", "READY"]
        await world.until(lambda: world.state.ready)
        assert world.state.phase is Phase.SERVING
        assert world.predictor.upstream is not None
        assert world.requested("/predictions") == 2  # one a worker
    assert len(world.processes) == 1


async def test_lost_workers_end_readiness_until_a_new_warm_up(
    make: Callable[..., World],
) -> None:
    world = make()
    async with world.running():
        await world.until(lambda: world.state.ready)
        world.ready = []
        await world.until(lambda: not world.state.ready)
        assert world.state.phase is Phase.SERVING
        assert world.predictor.upstream is not None  # TorchServe keeps requests for its workers
        before = world.requested("/predictions")
        world.ready = ["READY", "LOADING"]
        await world.until(lambda: world.state.ready)  # one is enough to serve
        assert world.requested("/predictions") == before + 2
    assert len(world.processes) == 1


async def test_a_torchserve_that_died_is_restarted_and_registered_again(
    make: Callable[..., World],
) -> None:
    world = make()
    async with world.running():
        await world.until(lambda: world.state.ready)
        old = world.predictor.upstream
        world.processes[0].alive = False
        await world.until(lambda: len(world.processes) == 2 and world.state.ready)
        assert world.processes[0].stopped
        assert world.predictor.upstream not in (None, old)
    registered = [each for each in world.stub.requests if "model_name" in each.query]
    assert len(registered) == 2
    assert b"deepfake_torchserve_restarts_total 1.0" in world.metrics.exposition()


async def test_a_suspended_predictor_resumes_when_torchserve_is_healthy(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    async with world.running():
        await world.until(lambda: world.state.ready)
        monkeypatch.setattr(supervisor_module, "_CHECK_INTERVAL_S", 60)
        world.predictor.upstream = None
        world.state.notify()
        await world.until(lambda: world.predictor.upstream is not None)


async def test_a_failed_warm_up_is_retried(make: Callable[..., World]) -> None:
    world = make()
    for failure in (own(507, "Worker died."), bad(Internal("a defect")), hang_up):
        world.prediction = failure
        world.state.phase = Phase.STARTING
        before = world.requested("/predictions")
        async with world.running():
            await world.until(lambda before=before: world.requested("/predictions") > before + 2)
            assert not world.state.ready
            world.prediction = SANE
            await world.until(lambda: world.state.ready)
        world.state.models["detector"].warm = False


async def test_a_wrong_warm_up_ends_the_server(make: Callable[..., World]) -> None:
    world = make()
    world.prediction = INSANE
    async with world.running() as task:
        with pytest.raises(StartupFailed, match="detector: found faces at"):
            await asyncio.wait_for(task, 60)
    assert not world.state.ready


async def test_a_refused_archive_ends_the_server(make: Callable[..., World]) -> None:
    world = make()
    world.registration = [own(400, "broken archive")]
    async with world.running() as task:
        with pytest.raises(
            StartupFailed, match=r"an archive: detector: broken archive; .* MiB free"
        ):
            await asyncio.wait_for(task, 60)


async def test_a_connection_lost_during_registration_does_not_end_the_server(
    make: Callable[..., World],
) -> None:
    world = make()
    world.registration = [hang_up, hang_up]
    async with world.running():
        await world.until(lambda: world.state.ready)


async def test_a_registration_that_times_out_ends_the_server(
    make: Callable[..., World],
) -> None:
    world = make(start_timeout_s=1)

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    world.registration = [never]
    async with world.running() as task:
        with pytest.raises(StartupFailed, match="registering the models timed out"):
            await asyncio.wait_for(task, 60)


async def test_workers_that_never_start_end_the_server_with_their_last_log_lines(
    make: Callable[..., World],
) -> None:
    world = make(start_timeout_s=1)
    world.ready = ["LOADING"]
    async with world.running() as task:
        with pytest.raises(StartupFailed, match="out of luck"):
            await asyncio.wait_for(task, 60)


async def test_the_log_says_why_workers_do_not_start_before_the_server_ends(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_REPORT_INTERVAL_S", 0.02)
    world = make()
    world.ready = ["UNLOADED", "UNLOADED"]
    with capture_logs() as logs:
        async with world.running():
            await world.until(lambda: sum("last_words" in each for each in logs) >= 2)
    reports = [each for each in logs if "last_words" in each]
    assert {each["event"] for each in reports} == {"not ready"}
    assert reports[0]["last_words"] == ["out of luck"]


async def test_workers_that_do_not_recover_end_the_server(make: Callable[..., World]) -> None:
    world = make(recovery_timeout_s=0.1)
    async with world.running() as task:
        await world.until(lambda: world.state.ready)
        world.ready = []
        with pytest.raises(StartupFailed, match="out of luck"):
            await asyncio.wait_for(task, 60)


async def test_a_cancellation_during_a_change_is_handled(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    async with world.running() as task:
        await world.until(lambda: world.state.ready)
        monkeypatch.setattr(supervisor_module, "_CHECK_INTERVAL_S", 60)
        looks = world.requested("/models/")
        world.state.notify()
        await world.until(lambda: world.requested("/models/") > looks)
        await asyncio.sleep(0.05)  # now it waits for a long interval
        world.state.notify()
        task.cancel()
        await asyncio.wait({task}, timeout=30)
        assert task.cancelled()


def test_folders_of_killed_servers_are_deleted(make: Callable[..., World]) -> None:
    killed = Path(tempfile.mkdtemp(prefix="deepfake-torchserve-"))
    (killed / "archive").write_bytes(b"weights")
    os.utime(killed, (0, 0))
    make()
    assert not killed.exists()


async def test_shutdown_stops_every_process_and_removes_every_file(
    make: Callable[..., World],
) -> None:
    world = make()
    assert world.scratch_is_left
    async with world.running():
        await world.until(lambda: world.state.ready)
        world.supervisor.drain()
        assert world.state.phase is Phase.DRAINING
        assert not world.state.ready
        assert world.predictor.upstream is not None  # requests in flight continue
    await world.supervisor.stop()
    assert world.state.phase is Phase.DEAD
    assert world.predictor.upstream is None
    assert world.processes[0].stopped
    assert not world.scratch_is_left
