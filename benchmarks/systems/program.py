"""Programs that the benchmark starts, waits for, and stops with all their child processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 15.0


class Program:
    """A program in its own session, with its output in a file."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir()
        self.folder, self.log = folder, folder / "output.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | environment,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Sends SIGTERM to the program, then SIGKILL to the descendants that remain."""
        family = psutil.Process(self.pid).children(recursive=True) if self.alive else []
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)
        self._process.kill()
        self._process.wait()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Polls `ready` until it returns True. An OSError from it counts as not ready.

        Raises:
            RuntimeError: the program exited or timed out; with the last lines of its output.
        """
        end = time.monotonic() + _START_TIMEOUT_S
        while self.alive and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if ready():
                    return
            time.sleep(0.2)
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        raise RuntimeError(f"{self.folder.name} did not start:\n" + "\n".join(lines))


def free_ports(count: int) -> list[int]:
    """Returns distinct free ports on loopback."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
