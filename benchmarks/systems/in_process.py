"""CPU time in process: the papers' baseline and our detector, each in its own process."""

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

PAPERS = "papers' baseline"
PAPERS_ONE = "papers' baseline, one thread"
OURS = "detector"
OURS_BF16 = "detector, bf16"
TORCH = "detector on torch"

_ONE = {"OMP_NUM_THREADS": "1"}
_ENVIRONMENTS: dict[str, dict[str, str]] = {PAPERS: {}, PAPERS_ONE: _ONE}
"""Others get the model server's worker environment, on one thread."""


def shipped(name: str, **runtime: Any) -> Any:
    """Loads the task of `build/archives/<name>.mar`; `runtime` overrides fields of `Runtime`."""
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
    options: dict[str, Any] = {"device": "cpu", "threads": 1}
    return load_task(Path(folder.name), Runtime(**options | runtime))


class Variant:
    """One implementation, loaded in its own process."""

    def __init__(self, name: str) -> None:
        from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT

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

    def faces(self, image: bytes) -> int:
        """Returns the number of faces found."""
        return self._executor.submit(_faces, image).result()

    def cpu_s(self, image: bytes, count: int) -> float:
        """Returns CPU seconds per image over `count` runs in sequence."""
        return self._executor.submit(_cpu_s, image, count).result()

    def close(self) -> None:
        self._executor.shutdown()


@contextlib.contextmanager
def variants(*names: str) -> Iterator[dict[str, Variant]]:
    """Yields the loaded variants by name."""
    loaded = {name: Variant(name) for name in names}
    try:
        yield loaded
    finally:
        for variant in loaded.values():
            variant.close()


_detect: Callable[[bytes], int] | None = None


def _load(name: str) -> None:
    global _detect
    _detect = _papers() if name in _ENVIRONMENTS else _ours(name)


def _papers() -> Callable[[bytes], int]:
    from fastapi import UploadFile

    from benchmarks.systems.baseline_fastapi import predict

    return lambda image: len(predict(UploadFile(io.BytesIO(image)))["faces"])


def _ours(name: str) -> Callable[[bytes], int]:
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    changes: dict[str, dict[str, str]] = {
        OURS_BF16: {"precision": "bf16"},
        TORCH: {"backend": "torch"},
    }
    task = shipped("detector", **changes.get(name, {}))

    def detect(image: bytes) -> int:
        (verdict,) = task.run([image], [Options()], Stopwatch())
        return len(verdict.faces)

    return detect


def _faces(image: bytes) -> int:
    assert _detect is not None
    return _detect(image)


def _cpu_s(image: bytes, count: int) -> float:
    assert _detect is not None
    begun = time.process_time()
    for _ in range(count):
        _detect(image)
    return (time.process_time() - begun) / count
