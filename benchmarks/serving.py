"""Compares the model server with TorchServe and a FastAPI baseline.

    python -m benchmarks.serving [--quick] [--out DIR]

All systems run throughout, idle while another is measured. Systems to compare are measured in turns
many times, so that other work on the machine affects all of them equally.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.load.closed_loop import Floats, Plan, Window, differences, median_of, ratios
from benchmarks.load.generator import Generator
from benchmarks.load.requests import Target, compile_torchserve_protos
from benchmarks.load.retry_budget import RetryBudget
from benchmarks.report.results import Comparison, Results, Row
from benchmarks.report.tables import write_report
from benchmarks.systems import servers as names
from benchmarks.systems.servers import System, direct_targets, start_baseline_fastapi, start_server
from benchmarks.systems.stock_torchserve import start_torchserve
from deepfake_serving.model_server.models import (
    Placement,
    ServedModel,
    choose_placement,
    served_models,
)
from deepfake_serving.model_server.settings import Settings, load_settings
from deepfake_serving.packaging.archive import build_archive

_ROOT = Path(__file__).resolve().parents[1]
_CLIENTS = (1, 4, 8)
_ROUNDS = "rounds"
_PAIRS = (
    (names.SERVER, names.TORCHSERVE),
    (names.SERVER, names.TORCHSERVE_SOCKET),
    (names.SERVER_RPC, names.TORCHSERVE_RPC),
    (names.SERVER_RPC, names.TORCHSERVE_SOCKET),
)
Pairing = Callable[[Sequence[float], Sequence[float]], Floats]

_PAIRED = tuple(dict.fromkeys(name for pair in _PAIRS for name in pair))


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of measurement."""

    passes: int
    loop: tuple[float, float, int]
    """For each cell of the table and pass: warm-up and window in seconds, minimum requests."""
    paired_rounds: dict[str, int]
    """By workload."""
    paired_loops: int
    paired_loop_s: dict[str, float]
    """By workload."""
    retry_budget_s: tuple[float, float]
    """Seconds for repeating noisy measurements: in the table, in paired loops."""


_FULL = Extent(
    2, (0.3, 1.1, 6), {"portrait": 80, "blank": 400}, 6, {"portrait": 1.6, "blank": 0.6}, (20, 40)
)
_QUICK = Extent(
    1, (0.1, 0.5, 2), {"portrait": 20, "blank": 150}, 2, {"portrait": 0.8, "blank": 0.4}, (0, 10)
)


class Bench:
    """Running systems, and a load generator for each."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, settings: Settings) -> None:
        self.stack, self.folder, self.settings = stack, folder, settings
        self.placement: Placement = choose_placement(settings)
        self.model: ServedModel = served_models(settings, self.placement)["detector"]
        self.targets: dict[str, Target] = {}
        self.pids: dict[str, list[int]] = {}
        self.generators: dict[str, Generator] = {}
        self._start()

    def _start(self) -> None:
        begun = [self._running(system) for system in self._systems()]
        stubs = self.folder / "stubs"
        stubs.mkdir()
        compile_torchserve_protos(stubs)
        for name in (*names.ALL, _ROUNDS):
            self.generators[name] = self.stack.enter_context(Generator(stubs))
        self.targets |= direct_targets(self.model.archive.path, self.placement)
        for system in begun:
            system.program.wait_for(system.ready)
            for name, target in system.targets().items():
                self.targets[name], self.pids[name] = target, [system.program.pid]

    def _systems(self) -> Iterator[System]:
        where, settings = self.folder, self.settings
        yield start_torchserve(where / "torchserve", settings, self.placement, self.model)
        yield start_server(where / "model-server", settings)
        yield start_baseline_fastapi(where / "baseline-fastapi")

    def _running(self, system: System) -> System:
        self.stack.enter_context(system.program)
        return system

    def loop(self, system: str, workload: str, plan: Plan) -> Window:
        """Runs a closed loop over one system."""
        pids = self.pids.get(system, [])
        return self.generators[system].closed_loop(self.targets[system], workload, plan, pids)

    def warm_up(self) -> None:
        """Warms up JIT compilers, mainly Java's."""
        _log("warming up")
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._warm_up, names.ALL))

    def _warm_up(self, system: str) -> None:
        plan = Plan(_CLIENTS[-1], 0, 4.0)
        self.generators[system].closed_loop(self.targets[system], "blank", plan, [])

    def rows(self, extent: Extent) -> Iterator[Row]:
        """Yields the rows of the table by workload and number of clients."""
        warmup, seconds, min_requests = extent.loop
        budget = RetryBudget(extent.retry_budget_s[0])
        for workload in ("portrait", "frame"):
            for clients in _CLIENTS:
                _log(f"{workload}, clients: {clients}")
                windows = {system: Window() for system in names.ALL}
                for system in _turns(names.ALL, extent.passes):
                    plan = Plan(clients, warmup, seconds, min_requests)
                    measure = partial(self.loop, system, workload, plan)
                    windows[system].add(budget.quietest_window(measure))
                for system, window in windows.items():
                    yield Row.of(workload, clients, system, window)

    def overhead(self, extent: Extent) -> Iterator[Comparison]:
        """Yields the latency in milliseconds that a server adds for one client, in turns."""
        targets = {name: self.targets[name] for name in _PAIRED}
        for workload, count in extent.paired_rounds.items():
            _log(f"{workload}, {count} rounds")
            seconds = self.generators[_ROUNDS].rounds(targets, workload, count, count // 10)
            ms = {name: [1000 * s for s in values] for name, values in seconds.items()}
            yield from _compare(workload, 1, ms, differences)

    def paired_loops(self, extent: Extent) -> Iterator[tuple[str, dict[str, list[Window]]]]:
        """Yields by workload the windows of short loops with the most clients, in turns."""
        budget = RetryBudget(extent.retry_budget_s[1])
        for workload in extent.paired_loop_s:
            _log(f"{workload}, {extent.paired_loops} paired loops")
            windows: dict[str, list[Window]] = {name: [] for name in _PAIRED}
            plan = Plan(_CLIENTS[-1], 0.3, extent.paired_loop_s[workload])
            for system in _turns(_PAIRED, extent.paired_loops):
                measure = partial(self.loop, system, workload, plan)
                windows[system].append(budget.quietest_window(measure))
            yield workload, windows

    def setup(self, extent: Extent) -> dict[str, str | int]:
        """Returns the conditions of the measurement."""
        return {
            "workers": self.placement.workers,
            "threads a worker": self.placement.threads,
            "largest batch": self.model.batch_size,
            "batch delay, ms": self.model.batch_delay_ms,
            "passes": extent.passes,
            "python": platform.python_version(),
            "torch": torch.__version__,
        }


def _compare(
    workload: str, clients: int, values: dict[str, list[float]], by: Pairing
) -> Iterator[Comparison]:
    for system, baseline in _PAIRS:
        estimate = median_of(by(values[system], values[baseline]).tolist())
        middle, base = (statistics.median(values[name]) for name in (system, baseline))
        yield Comparison(workload, clients, system, baseline, middle, base, estimate)


def _turns(systems: tuple[str, ...], passes: int) -> Iterator[str]:
    """Yields every system once per pass, in random order."""
    order, rng = list(systems), random.Random(0)
    for _ in range(passes):
        rng.shuffle(order)
        yield from order


_BEGUN = time.monotonic()


def _log(text: str) -> None:
    print(f"{time.monotonic() - _BEGUN:6.1f} s: {text}", file=sys.stderr, flush=True)


def measure(extent: Extent) -> Results:
    """Starts all systems, measures them, and stops them."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        build_archive(_ROOT / "config" / "models" / "detector.yaml", folder)
        settings = load_settings(archives=folder, device="cpu", models=("detector",))
        _log("starting")
        bench = Bench(stack, folder, settings)
        bench.warm_up()
        results = Results(
            bench.setup(extent), list(bench.rows(extent)), list(bench.overhead(extent)), [], []
        )
        for workload, windows in bench.paired_loops(extent):
            rates = {name: [w.rate_adjusted for w in seen] for name, seen in windows.items()}
            cpu_ms = {
                name: [1000 * (w.each(w.cpu_s) or 0.0) for w in seen]
                for name, seen in windows.items()
            }
            results.throughput.extend(_compare(workload, _CLIENTS[-1], rates, ratios))
            results.cpu.extend(_compare(workload, _CLIENTS[-1], cpu_ms, differences))
        return results


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of six")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "bench")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs the exit handlers
    results = measure(_QUICK if arguments.quick else _FULL)
    print(write_report(results, arguments.out))


if __name__ == "__main__":
    main()
