"""Measures the performance goals; `make bench` prints the table.

    python -m benchmarks.goals [--quick] [--keep] | --check

Every ratio compares two variants measured in turns in the same run. `--check` compares the ratios
with those of `baseline.json` for this CPU, and fails if one is more than 25 % worse. On a CPU that
is not in it, they may be 40 % below the lowest of all CPUs. `--keep` writes this CPU's ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import psutil

from benchmarks.data.workloads import growth, workloads
from benchmarks.report.goal import Goal, reference, regressions, table
from benchmarks.responses import responses
from benchmarks.systems import in_process
from benchmarks.systems.program import Program
from benchmarks.systems.servers import HOST, get, listening

BASELINE = Path(__file__).with_name("baseline.json")
_OUT = Path("build/bench")
_IMAGES = ("frame", "photo", "group")


def speed_up(images: Sequence[str], rounds: int) -> tuple[list[Goal], dict[str, dict[str, float]]]:
    """Measures CPU time per image, the papers' baseline over ours, in process."""
    goals = {"frame": 10.0, "photo": 10.0, "group": 8.0}
    given = workloads()
    goals_found, all_ms = [], {}
    names = (in_process.PAPERS, in_process.PAPERS_ONE, in_process.OURS, in_process.OURS_BF16)
    with in_process.variants(*names, in_process.TORCH) as variants:
        for image in images:
            workload = given[image]
            for name, variant in variants.items():
                found_faces = variant.faces(workload.jpeg)
                if found_faces != workload.faces:
                    raise RuntimeError(f"{name} finds {found_faces} faces on {image}")
            seconds: dict[str, list[float]] = {name: [] for name in variants}
            for _ in range(rounds):
                for name, variant in variants.items():
                    count = 1 if name in (in_process.PAPERS, in_process.PAPERS_ONE) else 4
                    seconds[name].append(variant.cpu_s(workload.jpeg, count))
            all_ms[image] = {n: 1000 * statistics.median(s) for n, s in seconds.items()}
            for baseline in (in_process.PAPERS, in_process.PAPERS_ONE):
                ratio = statistics.median(
                    a / b for a, b in zip(seconds[baseline], seconds[in_process.OURS], strict=True)
                )
                goals_found.append(
                    Goal(
                        f"{image}: CPU time, {baseline} / ours",
                        round(ratio, 2),
                        goals[image],
                        "x",
                        higher_is_better=True,
                        ratio=baseline
                        == in_process.PAPERS_ONE,  # spinning threads make the other noisy
                        note=f"{all_ms[image][baseline]:.0f} / "
                        f"{all_ms[image][in_process.OURS]:.1f} ms",
                    )
                )
    return goals_found, all_ms


def measure_growth(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Measures images per second of one thread, by faces and by megapixels."""
    goals_found: dict[str, list[tuple[float, float]]] = {}
    with in_process.variants(in_process.OURS) as variants:
        variant = variants[in_process.OURS]
        for axis, images in growth().items():
            goals_found[axis] = []
            for x, jpeg in images:
                variant.cpu_s(jpeg, 1)
                seconds = min(variant.cpu_s(jpeg, 3) for _ in range(rounds))
                goals_found[axis].append((x, 1 / seconds))
    return goals_found


def memory_and_start() -> list[Goal]:
    """Measures the model server as `make run` starts it, after 100 images of all sizes."""
    given = workloads()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port_settings = {
            f"DEEPFAKE_MODEL_SERVER_{kind}_PORT": "0" for kind in ("HTTP", "GRPC", "METRICS")
        }
        environment = {
            "DEEPFAKE_MODEL_SERVER_ARCHIVES": str(in_process.ARCHIVES),
            "DEEPFAKE_MODEL_SERVER_DEVICE": "cpu",
        }
        begun = time.perf_counter()
        command = [sys.executable, "-m", "deepfake_serving.model_server"]
        with Program(command, Path(folder) / "server", environment | port_settings) as program:

            def ready() -> bool:
                ports = listening(program)
                return bool(ports and get(f"http://{HOST}:{ports['http']}/readyz"))

            program.wait_for(ready)
            start = time.perf_counter() - begun
            url = f"http://{HOST}:{listening(program)['http']}/predictions/detector"
            for index in range(100):
                name = ("frame", "portrait", "photo", "group")[index % 4]
                with urlopen(Request(url, given[name].jpeg), timeout=60) as response:
                    response.read()
            workers = [
                child
                for child in psutil.Process(program.pid).children(recursive=True)
                if any("model_service_worker" in part for part in child.cmdline())
            ]
            rss = max(worker.memory_info().rss for worker in workers) / 2**20
    return [
        Goal("worker, resident memory after 100 images to 4K", round(rss), 350, "MB", False, False),
        Goal("model server, start to ready", round(start, 1), 8, "s", False, False),
    ]


def batches(rounds: int) -> list[Goal]:
    """Measures `faces` and `classifier` with eight items per call.

    There is no goal: the rates help to size video analysis.
    """
    from model_handlers.items import Item, Options
    from model_handlers.pipeline.stopwatch import Stopwatch

    crop = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    given: dict[str, Item] = {"faces": workloads()["frame"].jpeg, "classifier": crop}
    goals_found = []
    for name, item in given.items():
        task = in_process.shipped(name)
        seconds = []
        for _ in range(rounds + 1):
            begun = time.process_time()
            task.run([item] * 8, [Options()] * 8, Stopwatch())
            seconds.append((time.process_time() - begun) / 8)
        rate = round(1 / statistics.median(seconds[1:]), 1)
        goals_found.append(
            Goal(f"{name}: items per CPU second, eight per call", rate, 0, "/s", True, False)
        )
    return goals_found


def check() -> str | None:
    """Returns the regressions that show in three runs in a row, because machines are noisy."""
    baseline, max_loss = reference(json.loads(BASELINE.read_text()), processor())
    print(f"{processor()}: ratios may be {max_loss:.0%} below {baseline}", flush=True)
    lost: list[str] = []
    for _ in range(3):
        goals, _ms = speed_up(_IMAGES, 3)
        built = responses(99)
        print(table(goals + built), flush=True)
        lost = regressions(goals, baseline, max_loss)
        lost += [f"{each.name}: {each.result:g}" for each in built if not each.reached]
        if not lost:
            return None
    return "\n".join(lost)


def processor() -> str:
    """Returns the CPU's name and whether it supports bf16: the key of the baseline."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    named = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if "model name" in line]
    return f"{named[0] if named else platform.machine()}, bf16: {'avx512_bf16' in cpuinfo}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ratios only")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    if given.check:
        sys.exit(check())
    goals, ms = speed_up(_IMAGES, 3 if given.quick else 9)
    goals += responses(99)
    growth_rates: dict[str, list[tuple[float, float]]] = {}
    if not given.quick:
        goals += memory_and_start()
        goals += batches(9)
        growth_rates = measure_growth(5)
    _OUT.mkdir(parents=True, exist_ok=True)
    content = {"goals": [asdict(g) for g in goals], "cpu_ms": ms, "growth": growth_rates}
    (_OUT / "goals.json").write_text(json.dumps(content, indent=1))
    (_OUT / "goals.md").write_text(table(goals) + "\n")
    if growth_rates:
        from benchmarks.report.growth_plot import plot_growth

        plot_growth(growth_rates, _OUT / "growth.png")
    print(table(goals))
    if given.keep:
        baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
        baselines[processor()] = {g.name: g.result for g in goals if g.ratio}
        BASELINE.write_text(json.dumps(baselines, indent=1) + "\n")


if __name__ == "__main__":
    main()
