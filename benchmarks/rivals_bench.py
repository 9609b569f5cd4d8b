"""Compares our server with the papers' baseline and with other servers around our pipeline.

    python -m benchmarks.rivals_bench [--seconds 6] [--rounds 4]

Eight clients keep each system busy in turns. All systems run throughout; the others are idle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.load.closed_loop import Plan, Window
from benchmarks.load.generator import Generator
from benchmarks.systems import servers as names
from benchmarks.systems.in_process import ARCHIVES
from deepfake_serving.model_server.models import choose_placement, served_models
from deepfake_serving.model_server.settings import load_settings

_CLIENTS = 8
_OUT = Path("build/bench")


def systems(folder: Path, archive: Path) -> Iterator[tuple[tuple[str, ...], names.System]]:
    """Yields the systems to compare, with the names of their targets."""
    settings = load_settings(archives=ARCHIVES, device="cpu", models=("detector",))
    yield (names.SERVER, names.SERVER_RPC), names.start_server(folder / "server", settings)
    yield (names.BASELINE_FASTAPI,), names.start_baseline_fastapi(folder / "baseline-fastapi")
    if names.rivals_installed():
        for name in names.RIVALS:
            yield (name,), names.start_rival(name, archive, folder / name.replace(" ", "-"))


def measure(workload: str, rounds: int, seconds: float, clients: int) -> dict[str, list[Window]]:
    """Measures closed loops by system, in turns."""
    settings = load_settings(archives=ARCHIVES, device="cpu", models=("detector",))
    archive = served_models(settings, choose_placement(settings))["detector"].archive.path
    found: dict[str, list[Window]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (folder / "stubs").mkdir()
        up = []
        for target_names, system in systems(folder, archive):
            stack.enter_context(system.program)
            system.program.wait_for(system.ready)
            targets = system.targets()
            up += [(name, targets[name], system.program.pid) for name in target_names]
        generators = {name: stack.enter_context(Generator(folder / "stubs")) for name, _, _ in up}
        for turn in range(rounds + 1):
            for name, target, pid in up:
                plan = Plan(clients, 0.5, seconds if turn else 2.0, max_extra_s=30)
                window = generators[name].closed_loop(target, workload, plan, [pid])
                if turn:  # the first warms up
                    found.setdefault(name, []).append(window)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workload", default="frame")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONPATH", None)
    windows = measure(arguments.workload, arguments.rounds, arguments.seconds, _CLIENTS)
    best = windows[names.SERVER]
    lines = [
        f"| {arguments.workload}, {_CLIENTS} clients | images/s | p50 ms | p99 ms | CPU ms "
        "| ours / it |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    content = {}
    for name, measured in windows.items():
        ms = [1000 * s for window in measured for s in window.latencies_s]
        failures = [each for window in measured for each in window.failures]
        rate = statistics.median(window.rate for window in measured)
        ratio = statistics.median(
            a.rate / b.rate for a, b in zip(best, measured, strict=True) if b.rate
        )
        cpu = statistics.median(1000 * (window.each(window.cpu_s) or 0) for window in measured)
        content[name] = {
            "rps": rate,
            "p50_ms": float(np.percentile(ms, 50)),
            "p99_ms": float(np.percentile(ms, 99)),
            "cpu_ms": cpu,
            "ours_over_it": ratio,
            "failures": len(failures),
        }
        row = content[name]
        lines.append(
            f"| {name} | {rate:.1f} | {row['p50_ms']:.0f} | {row['p99_ms']:.0f} | {cpu:.0f} "
            f"| {ratio:.2f} |" + (f" {len(failures)} failures" if failures else "")
        )
    _OUT.mkdir(parents=True, exist_ok=True)
    (_OUT / "rivals.json").write_text(json.dumps(content, indent=1))
    (_OUT / "rivals.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
