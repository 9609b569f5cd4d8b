"""The load generator: a process of its own that takes jobs as JSON lines and answers each by one.

It ends when its input does, so it never outlives the benchmark.
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
from benchmarks.load.closed_loop import Ask, Plan, Window, closed_loop, family_of, rounds
from benchmarks.load.requests import Question, Target, connect


class Generator:
    """The benchmark's end of it."""

    def __init__(self, stubs: Path) -> None:
        """`stubs` is where the generated modules of TorchServe's gRPC are."""
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
        self._process.communicate()  # closes its input, which ends it

    def closed_loop(self, target: Target, workload: str, plan: Plan, pids: list[int]) -> Window:
        """Runs `load.closed_loop`; `pids` are the system's first processes, none for `direct`."""
        job = {"target": asdict(target), "workload": workload, "plan": asdict(plan), "pids": pids}
        return Window(**self._ask(job))

    def rounds(
        self, targets: dict[str, Target], workload: str, count: int, warmup: int
    ) -> dict[str, list[float]]:
        """Runs `load.rounds`."""
        job = {"targets": {name: asdict(target) for name, target in targets.items()}}
        return self._ask(job | {"workload": workload, "count": count, "warmup": warmup})

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(job) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the load generator ended; its standard error says why")
        result: dict[str, Any] = orjson.loads(answer)
        return result


async def _run(job: dict[str, Any], workload: Workload) -> Any:
    if "targets" in job:
        return await _run_rounds(job, workload)
    async with connect(Target(**job["target"])) as question:
        ask = _checked(question, workload)
        await ask()
        family = family_of(job["pids"] or [os.getpid()])
        if not job["pids"]:
            family.remove(psutil.Process())
        return asdict(await closed_loop(ask, Plan(**job["plan"]), family))


async def _run_rounds(job: dict[str, Any], workload: Workload) -> dict[str, list[float]]:
    async with contextlib.AsyncExitStack() as stack:
        asks: dict[str, Ask] = {}
        for name, target in job["targets"].items():
            question = await stack.enter_async_context(connect(Target(**target)))
            asks[name] = _checked(question, workload)
        return await rounds(asks, job["count"], job["warmup"])


def _checked(question: Question, workload: Workload) -> Ask:
    async def ask() -> None:
        faces = await question(workload.jpeg)
        if faces != workload.faces:
            raise ValueError(f"{faces} faces on {workload.name}, which has {workload.faces}")

    return ask


def main() -> None:
    """Serves jobs until the input ends."""
    pictures = workloads()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin.buffer:
            job = orjson.loads(line)
            result = runner.run(_run(job, pictures[job["workload"]]))
            sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
