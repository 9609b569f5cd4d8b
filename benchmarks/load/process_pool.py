"""The pipeline without a server: worker processes with the task loaded, behind a queue."""

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
    """Processes that have loaded one archive. Each runs one image at a time."""

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
        """Returns the shared pool for these arguments."""
        key = (archive, processes, threads)
        if key not in cls._pools:
            cls._pools[key] = Pool(*key)
        return cls._pools[key]

    async def faces(self, image: bytes) -> int:
        """Returns the number of faces that the pipeline finds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _count_faces, image)


_task: Task | None = None


def _load(archive: Path, threads: int) -> None:
    from model_handlers.loading import Runtime, load_task  # imports torch

    global _task
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        _task = load_task(Path(folder), Runtime(device="cpu", threads=threads))


def _count_faces(image: bytes) -> int:
    from deepfake_serving.contracts.verdict import ImageVerdict
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    assert _task is not None
    (outcome,) = _task.run([image], [Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict), outcome
    return len(outcome.faces)
