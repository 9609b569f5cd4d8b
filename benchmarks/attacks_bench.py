"""Ordinary clients of every kind, with and without attackers beside them.

    python -m benchmarks.attacks_bench [--minutes 5] [--alone 5] [--rounds 1] [--rate 1.0]

After a warm-up, in turns: without attackers, and with those of `benchmarks.attackers`, whose
process has a low priority, as it shares the machine. With several rounds, other work on the machine
counts in both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.data.workloads import workloads
from benchmarks.load.ordinary import Measured, Media, OrdinaryClients
from deepfake_serving.gateway.auth.keys import generate
from deepfake_serving.packaging.archive import build_archive
from tests.support.paths import ROOT
from tests.support.running import RunningGateway, RunningServer
from tests.support.videos import scenes, write_video

_WARMUP_S = 30.0
_SCOPES = ("images", "videos", "jobs", "stream", "infer")
_LOW_PRIORITY = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="with attackers")
    parser.add_argument("--alone", type=float, help="minutes without, by default as many")
    parser.add_argument("--rounds", type=int, default=1, help="parts of both, in turns")
    parser.add_argument("--rate", type=float, default=1.0, help="images a second")
    options = parser.parse_args()
    keys = {name: generate(name, _SCOPES) for name in ("ordinary", "attacker")}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_archive(ROOT / "config" / "models" / "detector.yaml", folder)
        (folder / "keys.yaml").write_text("".join(entry for _, entry in keys.values()))
        with (
            RunningServer.start(folder, models="detector", workers=2) as server,
            RunningGateway.start(
                folder / "data", server.url, keys_file=folder / "keys.yaml"
            ) as gateway,
        ):
            media = Media(
                workloads()["portrait"].jpeg,
                write_video(folder / "video.mp4", scenes()).read_bytes(),
            )
            ordinary = OrdinaryClients(
                gateway.url, f"127.0.0.1:{gateway.ports['grpc']}", keys["ordinary"][0], media
            )
            beside_s = options.minutes * 60
            alone_s = beside_s if options.alone is None else options.alone * 60
            asyncio.run(ordinary.measure(_WARMUP_S, options.rate))
            _report_memory("at rest", gateway, server)
            bench = _Bench(ordinary, gateway, server, options.rate)
            for _ in range(options.rounds):
                bench.measure("without attackers", alone_s / options.rounds)
                attacking = _start_attackers(gateway, keys["attacker"][0])
                bench.measure("with attackers", beside_s / options.rounds)
                print(attacking.communicate(timeout=180)[0], flush=True)
            time.sleep(20)
            _report_memory("after a rest", gateway, server)
            if options.rounds > 1:
                bench.report_all()


@dataclass
class _Bench:
    """Measures the ordinary clients, and keeps what was measured by the name of the window."""

    ordinary: OrdinaryClients
    gateway: RunningGateway
    server: RunningServer
    rate: float
    all: dict[str, dict[str, Measured]] = field(default_factory=dict)

    def measure(self, name: str, seconds: float) -> None:
        """Measures for some seconds, and prints it."""
        used = _processor_s(self.gateway, self.server)
        measured = asyncio.run(self.ordinary.measure(seconds, self.rate))
        _report_memory(name, self.gateway, self.server)
        now = _processor_s(self.gateway, self.server)
        spent = {each: round(now[each] - before, 1) for each, before in used.items()}
        print(f"{name}: processor seconds {spent}", flush=True)
        _report(name, measured)
        for kind, each in measured.items():
            total = self.all.setdefault(name, {}).setdefault(kind, Measured())
            total.seconds += each.seconds
            total.statuses += each.statuses

    def report_all(self) -> None:
        """Prints the sum of all rounds."""
        for name, measured in self.all.items():
            _report(f"all rounds {name}", measured)


def _start_attackers(gateway: RunningGateway, key: str) -> subprocess.Popen[str]:
    ports = [str(gateway.ports[name]) for name in ("http", "grpc")]
    command = [sys.executable, "-m", "benchmarks.attackers", *ports, key]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has built what it sends
    os.setpriority(os.PRIO_PROCESS, process.pid, _LOW_PRIORITY)
    return process


def _processes(gateway: RunningGateway, server: RunningServer) -> dict[str, list[psutil.Process]]:
    pids = {
        "gateway": [gateway.pid],
        "job worker": [gateway.worker().pid],
        "model server": [server.pid],
        "Java": [server.java()],
        "workers": sorted(server.workers()),
    }
    return {name: [psutil.Process(pid) for pid in given] for name, given in pids.items()}


def _processor_s(gateway: RunningGateway, server: RunningServer) -> dict[str, float]:
    """Returns the processor seconds of each process so far, with those of ended children."""
    return {
        name: sum(sum(each.cpu_times()[:4]) for each in processes)
        for name, processes in _processes(gateway, server).items()
    }


def _report_memory(name: str, gateway: RunningGateway, server: RunningServer) -> None:
    resident = {
        name: [each.memory_info().rss >> 20 for each in processes]
        for name, processes in _processes(gateway, server).items()
    }
    print(f"{time.strftime('%T')} {name}: resident MiB {resident}", flush=True)


def _report(name: str, measured: dict[str, Measured]) -> None:
    for kind, each in measured.items():
        p50, p99 = np.percentile(each.seconds, [50, 99]) * 1000
        counts = ", ".join(f"{count} x {status}" for status, count in each.statuses.items())
        print(f"{name}: {kind}: {counts}, p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
