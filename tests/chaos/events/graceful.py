"""Changes by an operator or a controller, which leave pods their grace period."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import cycle

from tests.chaos.cluster import COUNTS, Cluster
from tests.chaos.events.base import Event
from tests.cluster.kube import TWO, wait_until, with_settings

_LEVELS = cycle(["warning", "info"])


def _upgrade(cluster: Cluster) -> None:
    """Replaces every gateway, worker and model server."""
    cluster.release.upgrade(values=with_settings(TWO, next(_LEVELS)))


def _scale(cluster: Cluster) -> None:
    """Takes one gateway and one model server away, and brings them back."""
    names = [n for each in ("gateway", "model-server") for n in cluster.deployments(each)]
    for count in (1, 2):
        cluster.release.kubectl("scale", f"--replicas={count}", "deployment", *names)
        for name in names:
            cluster.release.kubectl("rollout", "status", f"deployment/{name}", "--timeout=240s")


def _delete(component: str) -> Callable[[Cluster], None]:
    def happen(cluster: Cluster) -> None:
        name = cluster.victim(component)["metadata"]["name"]
        cluster.release.kubectl("delete", "pod", name, "--wait=false")

    return happen


def _drain(cluster: Cluster) -> None:
    """Evicts every pod when its budget permits, as a drain does where other nodes have room. Not
    gateways, which have no budget on a volume of one node."""
    for component in ("model-server", "worker", "redis"):
        for pod in cluster.release.pods(component):
            name = pod["metadata"]["name"]
            wait_until(lambda: _evicted(cluster, name), 240, f"evicted {name}")  # noqa: B023


def _evicted(cluster: Cluster, name: str) -> bool:
    namespace = cluster.release.namespace
    metadata = {"name": name, "namespace": namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    try:
        cluster.release.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    except AssertionError as error:
        if "disruption budget" in str(error):
            return False
        raise
    return True


GRACEFUL = [
    Event("upgrade", _upgrade),
    Event("scale", _scale),
    Event("drain", _drain),
    *(Event(f"delete-{component}", _delete(component)) for component in COUNTS),
]
