"""The load generator: a process that reads jobs and writes results as JSON lines.

It exits at the end of its input, so it never outlives the benchmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import orjson
import psutil
import uvloop

from benchmarks.data.workloads import Workload, workloads
from benchmarks.load.closed_loop import Plan, SendRequest, Window, closed_loop, process_tree, rounds
from benchmarks.load.requests import CountFaces, Target, connect


class Generator:
    """Starts the load generator and sends it jobs."""

    def __init__(self, stubs: Path) -> None:
        """`stubs` is the folder of the modules generated from TorchServe's .proto files."""
        path = os.pathsep.join(filter(None, [str(stubs), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "GRPC_ENABLE_FORK_SUPPORT": "0"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its input, so it exits

    def closed_loop(self, target: Target, workload: str, plan: Plan, pids: list[int]) -> Window:
        """Runs `load.closed_loop`; `pids` are the system's root processes; empty for `direct`."""
        job = {"target": asdict(target), "workload": workload, "plan": asdict(plan), "pids": pids}
        return Window(**self._call(job))

    def rounds(
        self, targets: dict[str, Target], workload: str, count: int, warmup: int
    ) -> dict[str, list[float]]:
        """Runs `load.rounds`."""
        job = {"targets": {name: asdict(target) for name, target in targets.items()}}
        return self._call(job | {"workload": workload, "count": count, "warmup": warmup})

    def _call(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(job) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator exited; see its standard error")
        result: dict[str, Any] = orjson.loads(line)
        return result


async def _run(job: dict[str, Any], workload: Workload) -> Any:
    if "targets" in job:
        return await _run_rounds(job, workload)
    async with connect(Target(**job["target"])) as count_faces:
        send = _with_check(count_faces, workload)
        await send()
        family = process_tree(job["pids"] or [os.getpid()])
        if not job["pids"]:
            family.remove(psutil.Process())
        return asdict(await closed_loop(send, Plan(**job["plan"]), family))


async def _run_rounds(job: dict[str, Any], workload: Workload) -> dict[str, list[float]]:
    async with contextlib.AsyncExitStack() as stack:
        requests: dict[str, SendRequest] = {}
        for name, target in job["targets"].items():
            count_faces = await stack.enter_async_context(connect(Target(**target)))
            requests[name] = _with_check(count_faces, workload)
        return await rounds(requests, job["count"], job["warmup"])


def _with_check(count_faces: CountFaces, workload: Workload) -> SendRequest:
    async def send() -> None:
        faces = await count_faces(workload.jpeg)
        if faces != workload.faces:
            raise ValueError(f"{faces} faces on {workload.name}, which has {workload.faces}")

    return send


def main() -> None:
    """Runs jobs until the end of the input."""
    by_name = workloads()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for job_line in sys.stdin.buffer:
            job = orjson.loads(job_line)
            result = runner.run(_run(job, by_name[job["workload"]]))
            sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
