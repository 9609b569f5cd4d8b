"""Installs the chart, lets events happen under load, and reports (`--help`)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import skimage.data

from tests.chaos.cluster import Cluster
from tests.chaos.events import EVENTS
from tests.chaos.events.base import Event
from tests.chaos.goals import RETRY_AFTER_S
from tests.chaos.jobs import JobClient
from tests.chaos.node import Nodes
from tests.chaos.record import Record
from tests.chaos.report import markdown, missed
from tests.cluster.kube import TWO, Release, create_namespace, delete_namespace
from tests.cluster.load import Clients
from tests.support.images import jpeg
from tests.support.paths import ROOT
from tests.support.videos import RATE, pan, write_video

NAMESPACE = "deepfake-chaos"
OUT = ROOT / "build" / "chaos"
QUIET_S = 5.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=50_000, help="stop after so many (%(default)s)"
    )
    parser.add_argument(
        "--events", default=",".join(EVENTS), help="names, separated by commas (all)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the order and the victims (%(default)s)"
    )
    parser.add_argument("--redis-gone-s", type=float, default=300, help="seconds (%(default)s)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    events = [EVENTS[name] for name in options.events.split(",")]
    release, random = Release("chaos", NAMESPACE), Random(options.seed)
    create_namespace(NAMESPACE)
    try:
        with Nodes() as nodes:
            release.upgrade(values=TWO)
            cluster = Cluster(release, nodes, random, options.redis_gone_s)
            cluster.wait_ready(time.monotonic())
            return _run(cluster, events, options.requests)
    finally:
        if "KEEP" not in os.environ:
            delete_namespace(NAMESPACE)


def _run(cluster: Cluster, events: list[Event], requests: int) -> int:
    release, record = cluster.release, Record(OUT / "log.jsonl")
    photo = jpeg(skimage.data.astronaut()[:256, 96:352])
    clients = Clients(
        release.url,
        release.address("grpc"),
        release.key,
        photo,
        rest=3,
        rpc=3,
        fresh=2,
        retry_after_s=RETRY_AFTER_S,
        expected=_scores(release, photo),
        notify=record.add,
    )
    jobs = JobClient(release.url, release.key, _video(), record.write)
    try:
        with jobs, clients:
            for event in _order(events, cluster.random):
                time.sleep(QUIET_S)
                _happen(event, cluster, record)
                if record.requests >= requests and all(e.name in record.rows for e in events):
                    break
            time.sleep(QUIET_S)
        jobs.check()
    finally:
        report = markdown(record.rows, jobs.results)
        (OUT / "report.md").write_text(report)
        print("\n" + report)
    return 1 if missed(record.rows, jobs.results) else 0


def _order(events: list[Event], random: Random) -> Iterator[Event]:
    """Yields all events in random order, again and again."""
    while True:
        yield from random.sample(events, len(events))


def _happen(event: Event, cluster: Cluster, record: Record) -> None:
    with record.during(event.name) as row:
        begun = time.monotonic()
        event.happen(cluster)
        since = time.monotonic() if event.outage else begun
        row.ready_s.append(cluster.wait_ready(since))
    line = f"{record.requests:7,} requests  {event.name:24} ready after {row.ready_s[-1]:5.1f} s"
    print(f"{line}, failed so far {row.failed}", flush=True)


def _scores(release: Release, photo: bytes) -> list[float]:
    """Returns the fake probabilities that every response must have."""
    headers = {"Authorization": f"Bearer {release.key}", "Content-Type": "image/jpeg"}
    response = httpx.post(
        f"{release.url}/v1/images", content=photo, headers=headers, timeout=60, trust_env=False
    )
    faces = response.raise_for_status().json()["faces"]
    assert faces, "the test image's face is not found"
    return [face["fake_probability"] for face in faces]


def _video() -> bytes:
    """Returns six seconds of a moving face."""
    with tempfile.TemporaryDirectory() as folder:
        frames = pan(skimage.data.astronaut(), 6 * RATE)
        return write_video(Path(folder) / "short.mp4", frames).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
