"""Runs the servers as separate processes for tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import psutil

from deepfake_serving.model_server.settings import Settings as ServerSettings
from tests.support.paths import MODELS, ROOT
from tests.support.processes import command

GUARD_S = 300.0
"""Timeout of expected events, long enough for a busy machine."""

# Connections are not kept: servers restart. One client, because each would load certificates.
_probe = httpx.Client(
    timeout=30, verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)


class RunningProcess:
    """A running server: its ports, processes and log."""

    module: ClassVar[str]
    prefix: ClassVar[str]
    defaults: ClassVar[dict[str, Any]]

    def __init__(self, settings: dict[str, Any]) -> None:
        """Starts the process and waits only until it listens."""
        chosen = self.defaults | {"log_format": "json"} | settings
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DEEPFAKE_")}
        self.lines: list[str] = []
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=ROOT,
            env=inherited | {f"{self.prefix}{k.upper()}": str(v) for k, v in chosen.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._seen: dict[int, psutil.Process] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def run(
        cls, settings: dict[str, Any], *, wait_ready: bool = True, timeout_s: float = GUARD_S
    ) -> Self:
        """Starts a server with settings by their names in its `settings.py`.

        Returns once it listens and, by default, once /readyz returns 200. A server that does not
        start is killed, and the `AssertionError` contains its log.
        """
        server = cls(settings)
        try:
            listening = server.wait_for_event("listening", timeout_s)
            server.ports = {name: listening[name] for name in ("http", "grpc", "metrics")}
            if wait_ready:
                server.wait_ready(timeout_s)
        except BaseException:
            server.kill()
            raise
        return server

    ports: dict[str, int]
    """`http`, `grpc` and `metrics`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def grpc_target(self) -> str:
        return f"127.0.0.1:{self.ports['grpc']}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['metrics']}/metrics"

    @property
    def pid(self) -> int:
        return self.process.pid

    # log

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Returns the JSON lines logged so far, all or those of one event."""
        found = []
        for line in tuple(self.lines):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [e for e in found if isinstance(e, dict) and name in (None, e.get("event"))]

    def wait_for_event(
        self,
        name: str,
        timeout_s: float = GUARD_S,
        where: Callable[[dict[str, Any]], bool] = lambda _: True,
        after: int = 0,
    ) -> dict[str, Any]:
        """Returns the first event of that name that `where` accepts, also a past one.

        Args:
            after: number of lines to skip (an earlier `len(server.lines)`).
        """
        end = time.monotonic() + timeout_s
        while True:
            with self._arrived:
                while len(self.lines) == after:
                    left = end - time.monotonic()
                    over = not self._reader.is_alive() and len(self.lines) == after
                    if left <= 0 or over:
                        raise AssertionError(f"no event {name!r}; the log:\n{self.tail()}")
                    self._arrived.wait(min(left, 0.2))
                line = self.lines[after]
            after += 1
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == name and where(event):
                    return event

    def tail(self, count: int = 40) -> str:
        """Returns the last lines, for messages."""
        return "\n".join(self.lines[-count:])

    # readiness

    def readyz(self) -> httpx.Response:
        return _probe.get(self.url + "/readyz")

    def wait_ready(self, timeout_s: float = GUARD_S) -> None:
        """Waits until /readyz returns 200."""
        self.wait_until(lambda: self.readyz().status_code == 200, timeout_s, "ready")

    def wait_until(self, true: Callable[[], bool], timeout_s: float, expected: str) -> None:
        """Polls `true`, the costlier the less often; fails if the server ends."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            started = time.thread_time()
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode} before it was {expected}:\n{self.tail()}"
            )
            with contextlib.suppress(httpx.TransportError):
                if true():
                    return
            time.sleep(0.05 + 10 * (time.thread_time() - started))
        raise AssertionError(f"not {expected} after {timeout_s} s; the log:\n{self.tail()}")

    # processes

    def tree(self) -> list[psutil.Process]:
        """Returns all live child processes of the server."""
        try:
            found = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self._seen |= {each.pid: each for each in found}
        return [each for each in found if _alive(each)]

    def leftovers(self, wait_s: float = 30) -> list[psutil.Process]:
        """Returns the processes seen by `tree` that are still alive after a while."""
        _, alive = psutil.wait_procs(
            [each for each in self._seen.values() if _alive(each)], timeout=wait_s
        )
        return [each for each in alive if _alive(each)]

    # shutdown

    def signal(self, number: signal.Signals) -> None:
        """Records its child processes, then sends the signal to the server alone."""
        self.tree()
        self.process.send_signal(number)

    def wait(self, timeout_s: float = GUARD_S) -> int:
        """Waits for the exit and the complete log; returns the exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        return code

    def stop(self, timeout_s: float = GUARD_S) -> int:
        """Sends SIGTERM and returns the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """Kills all of its processes, whatever their state."""
        with contextlib.suppress(psutil.Error):
            self.tree()
        self.process.kill()
        self.process.wait()
        for each in self._seen.values():
            with contextlib.suppress(psutil.Error):
                each.kill()
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._arrived:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._arrived.notify_all()


JVM_OPTIONS = str(ServerSettings.model_fields["jvm_options"].default)
"""The default ones."""


class RunningServer(RunningProcess):
    """`python -m deepfake_serving.model_server`, with TorchServe below it.

    with RunningServer.start(archives, models="detector", workers=2) as server:
        httpx.get(server.url + "/readyz")
    """

    module, prefix = "deepfake_serving.model_server", "DEEPFAKE_MODEL_SERVER_"
    defaults: ClassVar[dict[str, Any]] = {
        "models": ",".join(MODELS),
        "http_port": 0,
        "grpc_port": 0,
        "metrics_port": 0,
        "workers": 1,
        "start_timeout_s": GUARD_S,
        "recovery_timeout_s": GUARD_S,
        # The default, but compiled once only: the start takes two thirds of the processor time.
        "jvm_options": f"{JVM_OPTIONS} -XX:TieredStopAtLevel=1",
    }

    @classmethod
    def start(
        cls, archives: Path, *, wait_ready: bool = True, timeout_s: float = GUARD_S, **settings: Any
    ) -> RunningServer:
        """The same as `run`."""
        given = {"archives": archives} | settings
        return cls.run(given, wait_ready=wait_ready, timeout_s=timeout_s)

    def java(self) -> int:
        """Returns TorchServe's pid."""
        (pid,) = (p.pid for p in self.tree() if command(p)[:1] and "java" in command(p)[0])
        return pid

    def workers(self) -> set[int]:
        """Returns the pids of TorchServe's Python workers, of all models."""
        return {
            p.pid
            for p in self.tree()
            if any(part.endswith("model_service_worker.py") for part in command(p))
        }


class RunningGateway(RunningProcess):
    """`python -m deepfake_serving.gateway`, with its worker below it, in front of model servers."""

    module, prefix = "deepfake_serving.gateway", "DEEPFAKE_GATEWAY_"
    defaults: ClassVar[dict[str, Any]] = {
        "http_port": 0,
        "grpc_port": 0,
        "metrics_port": 0,
        "worker_metrics_port": 0,
    }

    @classmethod
    def start(
        cls,
        data: Path,
        *models: str,
        wait_ready: bool = True,
        timeout_s: float = GUARD_S,
        **settings: Any,
    ) -> RunningGateway:
        """The same as `run`, in front of the model servers at these URLs, with its state in a
        folder."""
        pools = [{"name": f"pool-{n}", "url": url} for n, url in enumerate(models)]
        given = {
            "routing": json.dumps({"pools": pools}),
            "jobs": f"sqlite:///{data / 'jobs.sqlite'}",
            "objects": f"file://{data / 'objects'}",
        } | settings
        return cls.run(given, wait_ready=wait_ready, timeout_s=timeout_s)

    def servers(self) -> list[psutil.Process]:
        """Returns the gateway and its worker, without the processes that each decode one video."""
        gateway = psutil.Process(self.pid)
        return [gateway, *(each for each in gateway.children() if _alive(each))]

    def worker(self) -> psutil.Process:
        """Returns the worker's process."""
        _, worker = self.servers()
        return worker


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
