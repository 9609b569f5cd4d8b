"""Networks, disks and services that are gone for a time.

Two are missing. A jump of the clock: containers have the clock of their node, so it would jump for
everything there. A full disk of Redis: that takes a file system of its own below the volume.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.chaos.cluster import COUNTS, Cluster
from tests.chaos.events.base import Event
from tests.chaos.events.kills import PROCESSES
from tests.chaos.goals import Loss

DROP_S, DNS_S, DISK_S = 30, 30, 30


def _cut_off(component: str) -> Callable[[Cluster], None]:
    """Drops what one pod receives, probes included, as when its node loses its network."""

    def happen(cluster: Cluster) -> None:
        with cluster.nodes.dropping(cluster.victim(component), "INPUT ! -i lo"):
            time.sleep(DROP_S)

    return happen


def _loss(component: str) -> Loss:
    return Loss.SENT if component == "gateway" else Loss.NONE


def _dns_gone(cluster: Cluster) -> None:
    """Drops what every pod sends to a name server."""
    with ExitStack() as stack:
        for pod in cluster.pods():
            rules = [f"OUTPUT -p {protocol} --dport 53" for protocol in ("udp", "tcp")]
            stack.enter_context(cluster.nodes.dropping(pod, *rules))
        time.sleep(DNS_S)


def _disk_full(cluster: Cluster) -> None:
    """Fills the scratch folders and the media volume of gateways and worker."""
    with ExitStack() as stack:
        for component in ("gateway", "worker"):
            for pod in cluster.release.pods(component):
                process = PROCESSES[component][1]
                stack.enter_context(cluster.nodes.full(pod, process, "/tmp", "/media"))
        time.sleep(DISK_S)


def _redis_gone(cluster: Cluster) -> None:
    name = f"statefulset/{cluster.release.fullname}-redis"
    cluster.release.kubectl("scale", "--replicas=0", name)
    time.sleep(cluster.redis_gone_s)
    cluster.release.kubectl("scale", "--replicas=1", name)


OUTAGES = [
    *(Event(f"cut-off-{each}", _cut_off(each), _loss(each), outage=True) for each in COUNTS),
    Event("dns-gone", _dns_gone, outage=True),
    Event("disk-full", _disk_full, outage=True),
    Event("redis-gone", _redis_gone, outage=True),
]
