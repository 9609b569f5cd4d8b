"""CPU time in process: the papers' way and ours, each in a process of its own, asked in turns."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ARCHIVES = Path(__file__).resolve().parents[2] / "build" / "archives"

PAPERS = "the papers' way"
PAPERS_ONE = "the papers' way, one thread"
OURS = "detector"
OURS_BF16 = "detector, bf16"
TORCH = "detector on torch"

_ONE = {"OMP_NUM_THREADS": "1"}
_ENVIRONMENTS: dict[str, dict[str, str]] = {PAPERS: {}, PAPERS_ONE: _ONE}
"""Others get what the model server gives its workers, on one thread."""


def shipped(name: str, **runtime: Any) -> Any:
    """The task of `build/archives/<name>.mar`; `runtime` overrides what `Runtime` says."""
    import atexit
    import tempfile
    import zipfile

    from model_handlers.loading import Runtime, load_task

    folder = tempfile.TemporaryDirectory(prefix="deepfake-bench-")
    atexit.register(folder.cleanup)
    with zipfile.ZipFile(ARCHIVES / f"{name}.mar") as archive:
        archive.extractall(folder.name)
    if backend := runtime.pop("backend", None):
        path = Path(folder.name) / "model.json"
        path.write_text(path.read_text().replace('"backend": "auto"', f'"backend": "{backend}"'))
    return load_task(Path(folder.name), Runtime(**({"device": "cpu", "threads": 1} | runtime)))


class Way:
    """One way of judging pictures, in a process that has it loaded."""

    def __init__(self, name: str) -> None:
        from deepfake_serving.model_server.limits.memory import WORKER_ENVIRONMENT

        environment = _ENVIRONMENTS.get(name, WORKER_ENVIRONMENT | _ONE)
        before = dict(os.environ)
        os.environ |= environment
        try:
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(1, context, _load, (name,))
            self._executor.submit(int).result()  # the process starts with the first task
        finally:
            os.environ.clear()
            os.environ |= before

    def faces(self, picture: bytes) -> int:
        """How many faces it finds."""
        return self._executor.submit(_faces, picture).result()

    def cpu_s(self, picture: bytes, count: int) -> float:
        """CPU seconds a picture, of `count` one after the other."""
        return self._executor.submit(_cpu_s, picture, count).result()

    def close(self) -> None:
        self._executor.shutdown()


@contextlib.contextmanager
def ways(*names: str) -> Iterator[dict[str, Way]]:
    """Loaded ways by name."""
    loaded = {name: Way(name) for name in names}
    try:
        yield loaded
    finally:
        for way in loaded.values():
            way.close()


_judge: Callable[[bytes], int] | None = None


def _load(name: str) -> None:
    global _judge
    _judge = _papers() if name in _ENVIRONMENTS else _ours(name)


def _papers() -> Callable[[bytes], int]:
    from fastapi import UploadFile

    from benchmarks.systems.baseline_fastapi import predict

    return lambda picture: len(predict(UploadFile(io.BytesIO(picture)))["faces"])


def _ours(name: str) -> Callable[[bytes], int]:
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    changes: dict[str, dict[str, str]] = {
        OURS_BF16: {"precision": "bf16"},
        TORCH: {"backend": "torch"},
    }
    task = shipped("detector", **changes.get(name, {}))

    def judge(picture: bytes) -> int:
        (verdict,) = task.run([picture], [Options()], Stopwatch())
        return len(verdict.faces)

    return judge


def _faces(picture: bytes) -> int:
    assert _judge is not None
    return _judge(picture)


def _cpu_s(picture: bytes, count: int) -> float:
    assert _judge is not None
    begun = time.process_time()
    for _ in range(count):
        _judge(picture)
    return (time.process_time() - begun) / count
