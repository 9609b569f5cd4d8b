"""Sends hostile inputs to a real service: `python -m tests.support.fuzz.service COUNT [options]`.

A part of a longer run: it starts the servers, sends the cases from FIRST on, at most for some
minutes, and appends a line of JSON to a log, whose `next` is the first case of the next part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from deepfake_serving.gateway.auth.keys import generate
from tests.support.fuzz.service.cases import KINDS, SHARES, Cases, Kind
from tests.support.fuzz.service.sender import Sender
from tests.support.fuzz.service.urls import responding
from tests.support.paths import ROOT
from tests.support.running import RunningGateway, RunningServer

_CONCURRENCY, _REST_S, _PROGRESS = 6, 20.0, 5000
_WARMUP = 300
"""Cases before memory is measured: caches fill, and each decoder is loaded."""
_FAILED = {"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "dead"}
_LATE = {"TimeoutError", "ReadTimeout", "DEADLINE_EXCEEDED"}
"""Statuses that blame the service, besides 5xx. Late ones may be the fault of a busy machine."""


class Part:
    """The counts of one part."""

    def __init__(self, first: int) -> None:
        self.next, self.statuses = first, dict[str, Counter[str]]()
        self.failures: list[str] = []

    def count(self, number: int, kind: str, status: str) -> None:
        """Counts a case by its kind and status."""
        self.statuses.setdefault(kind, Counter())[status] += 1
        if status in _FAILED | _LATE or (len(status) == 3 and status.startswith("5")):
            self.failures.append(f"{number} {kind} {status}")


def main() -> int:
    """Runs a part. Returns 1 if the service failed, or one of its processes died."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kinds", type=_shares, default=SHARES, help="as in head=90,image=10")
    parser.add_argument("--log", type=Path, default=ROOT / "build" / "soak.jsonl")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = _run(options, Path(scratch))
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with options.log.open("a") as log:
        log.write(json.dumps(report) + "\n")
    print(json.dumps(report, indent=1))
    return int(bool(report["failures"] or report["deaths"]))


def _shares(text: str) -> dict[Kind, int]:
    """Parses shares of kinds. Raises KeyError or ValueError."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {KINDS[kind]: int(share) for kind, _, share in pairs}


def _run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    key, entry = generate("soak", ("images", "videos", "jobs", "stream", "infer"))
    (folder / "keys.yaml").write_text(entry)
    settings: dict[str, Any] = {
        "keys_file": folder / "keys.yaml",
        "fetch_private": "127.0.0.1/32",
    }
    archives = ROOT / "build" / "archives"
    with (
        RunningServer.start(archives, models="detector", workers=2) as server,
        RunningGateway.start(folder / "data", server.url, **settings) as gateway,
    ):
        begun, part = time.monotonic(), Part(options.first)
        end = begun + 60 * options.minutes
        asyncio.run(_send(gateway, key, options, folder, Part(0), _WARMUP, end))
        time.sleep(_REST_S)
        before, processes = _resident(server, gateway), _pids(server, gateway)
        asyncio.run(_send(gateway, key, options, folder, part, options.count, end))
        time.sleep(_REST_S)
        return {
            "seed": options.seed,
            "kinds": options.kinds,
            "first": options.first,
            "next": part.next,
            "seconds": round(time.monotonic() - begun),
            "statuses": part.statuses,
            "failures": part.failures,
            "deaths": sorted(processes - _pids(server, gateway)),
            "resident_mib": {"before": before, "after": _resident(server, gateway)},
            "events": _warnings(server) + _warnings(gateway),
        }


async def _send(
    gateway: RunningGateway,
    key: str,
    options: argparse.Namespace,
    folder: Path,
    part: Part,
    count: int,
    end: float,
) -> None:
    """Sends cases until their number or the time is reached, some at once."""
    cases, last = Cases(folder, options.seed, options.kinds), part.next + count
    images: dict[int, bytes] = {}

    async def work(sender: Sender) -> None:
        while part.next < last and time.monotonic() < end:
            number = part.next
            part.next += 1
            case = cases.case(number)
            part.count(number, case.kind, await sender.send(case))
            if number % _PROGRESS == 0:
                print(number, dict(part.statuses), file=sys.stderr, flush=True)

    async with responding(images, options.seed) as port:
        sender = Sender(gateway, key, port)
        sender.images = images
        async with asyncio.TaskGroup() as workers:
            for _ in range(_CONCURRENCY):
                workers.create_task(work(sender))
        await sender.close()


def _processes(server: RunningServer, gateway: RunningGateway) -> dict[str, list[int]]:
    return {
        "gateway": [gateway.pid],
        "job worker": [gateway.worker().pid],
        "model server": [server.pid],
        "Java": [server.java()],
        "model workers": sorted(server.workers()),
    }


def _pids(server: RunningServer, gateway: RunningGateway) -> set[tuple[str, int]]:
    return {(name, pid) for name, pids in _processes(server, gateway).items() for pid in pids}


def _resident(server: RunningServer, gateway: RunningGateway) -> dict[str, list[int]]:
    """Returns the resident memory of each process in MiB."""
    return {
        name: [int(psutil.Process(pid).memory_info().rss) >> 20 for pid in pids]
        for name, pids in _processes(server, gateway).items()
    }


def _warnings(process: RunningServer | RunningGateway) -> Counter[str]:
    """Counts the events of the log from warnings up, without the data that some quote."""
    levels = ("warning", "error", "critical")
    events = (each for each in process.events() if each.get("level") in levels)
    return Counter(each["event"].partition(" b'")[0] for each in events)


if __name__ == "__main__":
    sys.exit(main())
