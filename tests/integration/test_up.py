"""`deepfake-serving up` with API keys, beside another stack, and in a terminal that is closed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from deepfake_serving.gateway.auth.keys import generate
from tests.support.paths import ROOT
from tests.support.running import GUARD_S

pytestmark = pytest.mark.integration

_PORTS = [
    "MODEL_SERVER_HTTP", "MODEL_SERVER_GRPC", "MODEL_SERVER_METRICS",
    "GATEWAY_HTTP", "GATEWAY_GRPC", "GATEWAY_METRICS", "GATEWAY_WORKER_METRICS",
]  # fmt: skip


def environment(archives: Path, home: Path) -> dict[str, str]:
    """Variables of a stack whose ports are all free ones."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("DEEPFAKE_")}
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _PORTS]
        ports = {
            f"DEEPFAKE_{name}_PORT": str(listener.getsockname()[1])
            for name, listener in zip(_PORTS, sockets, strict=True)
        }
    return (
        inherited
        | ports
        | {
            "DEEPFAKE_HOME": str(home),
            "DEEPFAKE_MODEL_SERVER_ARCHIVES": str(archives),
            "DEEPFAKE_MODEL_SERVER_WORKERS": "1",
            "BROWSER": "true",
        }
    )


class Terminal:
    """A process in a pseudo-terminal of its own, and what it prints."""

    def __init__(self, *command: str, env: dict[str, str]) -> None:
        self._master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=terminal, stdout=terminal, stderr=terminal,
            start_new_session=True, preexec_fn=_control_terminal,
        )  # fmt: skip
        os.close(terminal)
        self.output, self._closing = b"", threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: bytes) -> None:
        end = time.monotonic() + GUARD_S
        while text not in self.output:
            assert self.process.poll() is None, self.output.decode()
            assert time.monotonic() < end, self.output.decode()
            time.sleep(0.1)

    def close(self) -> None:
        """Closes the terminal: the kernel sends SIGHUP, and output fails from then on."""
        self._closing.set()
        self._reader.join()  # a read in progress would keep it open
        os.close(self._master)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                if select.select([self._master], [], [], 0.1)[0]:
                    self.output += os.read(self._master, 4096)


def _control_terminal() -> None:
    """Takes standard input as its terminal; SIGHUP ends it, even if the test run ignores it."""
    import fcntl
    import signal
    import termios

    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_stack_uses_its_own_ports_and_ends_with_its_terminal(
    archive_folder: Path, tmp_path: Path
) -> None:
    """Another stack's model server is ready on the default port, or nobody listens there. The
    printed curl line works with an API key."""
    secret, entry = generate("someone", ["images"])
    (tmp_path / "keys.yaml").write_text(entry)
    keys = {"DEEPFAKE_GATEWAY_KEYS_FILE": str(tmp_path / "keys.yaml")}
    env = environment(archive_folder, tmp_path) | keys
    url = f"http://127.0.0.1:{env['DEEPFAKE_GATEWAY_HTTP_PORT']}"
    terminal = Terminal(sys.executable, "-m", "deepfake_serving", "up", env=env)
    processes: list[psutil.Process] = []
    try:
        terminal.wait_for(f"Ready: open {url}".encode())
        terminal.wait_for(b'$DFK_KEY"')
        processes = psutil.Process(terminal.process.pid).children(recursive=True)
        names = " ".join(" ".join(each.cmdline()) for each in processes)
        for part in ("model_server", "gateway", "gateway.worker", "java"):
            assert part in names
        printed = re.search(rb"^\s+(curl .*)$", terminal.output.replace(b"\r", b""), re.MULTILINE)
        assert printed is not None
        shell = env | {"DFK_KEY": secret}
        response = subprocess.run(printed[1], shell=True, cwd=ROOT, env=shell, capture_output=True)
        assert len(json.loads(response.stdout)["faces"]) == 1, response
        terminal.close()
        assert terminal.process.wait(GUARD_S) == 0
        assert psutil.wait_procs(processes, GUARD_S)[1] == []
    finally:
        terminal.process.kill()
        for each in processes:
            with contextlib.suppress(psutil.Error):
                each.kill()


def test_a_port_in_use_stops_the_start_and_names_its_variable(
    archive_folder: Path, tmp_path: Path
) -> None:
    env = environment(archive_folder, tmp_path)
    variable = "DEEPFAKE_MODEL_SERVER_HTTP_PORT"
    with socket.create_server(("127.0.0.1", int(env[variable]))):
        ended = subprocess.run(
            [sys.executable, "-m", "deepfake_serving", "up"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=GUARD_S,
        )
    assert ended.returncode == 2
    assert f"Address already in use. Set {variable} to another port" in ended.stderr
    assert "Ready" not in ended.stdout
