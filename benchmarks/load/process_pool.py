"""The pipeline without any server: worker processes that hold the task, and a queue before them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from model_handlers.pipeline.tasks import Task


class Pool:
    """Processes that have loaded one archive; one picture at a time each."""

    _pools: ClassVar[dict[tuple[Path, int, int], Pool]] = {}

    def __init__(self, archive: Path, processes: int, threads: int) -> None:
        os.environ |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        self._executor = ProcessPoolExecutor(
            processes,
            multiprocessing.get_context("spawn"),
            initializer=_load,
            initargs=(archive, threads),
        )

    @classmethod
    def of(cls, archive: Path, processes: int, threads: int) -> Pool:
        """The same pool for the same arguments."""
        key = (archive, processes, threads)
        if key not in cls._pools:
            cls._pools[key] = Pool(*key)
        return cls._pools[key]

    async def faces(self, picture: bytes) -> int:
        """How many faces the pipeline finds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _count, picture)


_task: Task | None = None


def _load(archive: Path, threads: int) -> None:
    from model_handlers.loading import Runtime, load_task  # torch, which only the pool needs

    global _task
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        _task = load_task(Path(folder), Runtime(device="cpu", threads=threads))


def _count(picture: bytes) -> int:
    from deepfake_serving.contracts.verdict import ImageVerdict
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    assert _task is not None
    (outcome,) = _task.run([picture], [Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict), outcome
    return len(outcome.faces)
