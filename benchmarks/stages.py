"""CPU time of each pipeline stage, beside the peak rates of the machine.

    python -m benchmarks.stages [WORKLOAD ...]

Prints CPU milliseconds on one thread by stage, then the rates of a large fp32 matrix product and of
a copy on one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.data.workloads import workloads
from benchmarks.systems import in_process

_TIMES = 20
STAGES = (
    "decode",
    "levels onto the canvas",
    "P-Net",
    "cells and non-maximum suppression",
    "candidate crops",
    "R-Net",
    "O-Net",
    "all of detection",
    "crop",
    "detail",
    "SRM, EfficientNet and head",
)


class Clock:
    """CPU seconds and calls by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inputs: dict[str, int] = defaultdict(int)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a function to time it and to count the arrays' items passed to it."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += time.process_time() - begun
                self.inputs[name] += sum(len(g) for g in args if isinstance(g, np.ndarray))

        return timed


@contextmanager
def watched(task: Any, clock: Clock) -> Iterator[None]:
    """Patches the stages of a detector with timers."""
    import model_handlers.pipeline.tasks as tasks
    from model_handlers.pipeline import classifier
    from model_handlers.pipeline.detection import mipmap, mtcnn

    functions = [
        (tasks, "decode_image", "decode"),
        (mipmap.Mipmap, "canvas", "levels onto the canvas"),
        (mtcnn, "_proposals", "cells and non-maximum suppression"),
        (mtcnn, "_crop_candidates", "candidate crops"),
        (tasks, "cut_face", "crop"),
        (classifier, "detail", "detail"),
        (task.face_detector, "find", "all of detection"),
    ]
    cascade = task.face_detector.mtcnn.cascade
    timed = cascade._replace(
        pnet=clock.around("P-Net", cascade.pnet),
        rnet=clock.around("R-Net", cascade.rnet),
        onet=clock.around("O-Net", cascade.onet),
    )
    patches = [
        patch.object(at, name, clock.around(to, getattr(at, name))) for at, name, to in functions
    ]
    patches.append(patch.object(task.face_detector.mtcnn, "cascade", timed))
    network = clock.around("SRM, EfficientNet and head", task.classifier.network)
    patches.append(patch.object(task.classifier, "network", network))
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def gemm_gflops(size: int = 2048) -> float:
    """Measures NumPy's BLAS on one thread."""
    from threadpoolctl import threadpool_limits

    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    with threadpool_limits(1):
        best = min(_cpu_s(lambda: a @ a) for _ in range(5))
    return 2 * size**3 / best / 1e9


def copy_gb_s(megabytes: int = 256) -> float:
    """Measures bytes read and written per second by a copy on one thread."""
    a = np.ones(megabytes * 2**20, np.uint8)
    b = np.empty_like(a)
    return 2 * a.nbytes / min(_cpu_s(lambda: np.copyto(b, a)) for _ in range(5)) / 1e9


def _cpu_s(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", default=["frame", "group", "photo"])
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1"}
    from model_handlers.items import Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    task = in_process.shipped("detector")
    for name in arguments.workloads:
        jpeg = workloads()[name].jpeg
        task.run([jpeg], [Options()], Stopwatch())
        clock = Clock()
        with watched(task, clock):
            for _ in range(_TIMES):
                run = clock.around("all", task.run)
                run([jpeg], [Options()], Stopwatch())
        print(f"{name}:")
        for part, seconds in clock.seconds.items():
            count = clock.inputs.get(part)
            of = f"  {count // _TIMES} inputs" if count and "Net" in part else ""
            print(f"  {part:30} {1000 * seconds / _TIMES:7.2f} ms{of}")
    print(f"fp32 matrix product, one thread: {gemm_gflops():.0f} GFLOP/s")
    print(f"copy, one thread: {copy_gb_s():.1f} GB/s")


if __name__ == "__main__":
    main()
