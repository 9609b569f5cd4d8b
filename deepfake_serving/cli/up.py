"""Everything on one machine: a model server and a gateway, each a process, ended together."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

_COMMANDS = {
    "model server": (sys.executable, "-m", "deepfake_serving.model_server"),
    "gateway": (sys.executable, "-m", "deepfake_serving", "gateway"),
}


async def run_all(commands: dict[str, Sequence[str]] | None = None) -> int:
    """Runs until a signal or the end of one of them; returns the exit code.

    The gateway is ended first, so that its requests still find their models.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    running: dict[str, asyncio.subprocess.Process] = {}
    for name, command in (commands or _COMMANDS).items():
        # in a session of their own: Ctrl-C reaches them through us alone, and in order
        running[name] = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    ends = {asyncio.create_task(process.wait()): name for name, process in running.items()}
    waiting = asyncio.create_task(asked.wait())
    done, _ = await asyncio.wait({waiting, *ends}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    code = 0
    for task in done - {waiting}:
        code = int(task.result() or 0) or 1
        print(f"deepfake-serving: the {ends[task]} has ended", file=sys.stderr)
    for process in reversed(running.values()):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
    return code


def main() -> int:
    """Exit codes: 0 after a signal, else that of what ended."""
    return asyncio.run(run_all())
