"""Pods and processes that end without notice."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.cluster import COUNTS, Cluster
from tests.chaos.events.base import Event
from tests.chaos.goals import Loss

PROCESSES = {
    "gateway": ("gateway", r"-m deepfake_serving\.gateway( |$)"),
    "model-server": ("model-server", r"-m deepfake_serving\.model_server( |$)"),
    "torchserve": ("model-server", r"/java .*model_server"),
    "torchserve-worker": ("model-server", r"model_service_worker\.py"),
    "worker": ("worker", r"-m deepfake_serving\.gateway\.worker( |$)"),
    "redis": ("redis", r"^\S*(redis|valkey)-server"),
}
"""Name of a process: its component, and a pattern of its command line."""


def _loss(component: str) -> Loss:
    return Loss.IN_FLIGHT if component == "gateway" else Loss.NONE


def _force_delete(component: str) -> Callable[[Cluster], None]:
    """Deletes a pod without a grace period, as when its node is lost."""

    def happen(cluster: Cluster) -> None:
        name = cluster.victim(component)["metadata"]["name"]
        cluster.release.kubectl("delete", "pod", name, "--grace-period=0", "--force")

    return happen


def _kill(process: str) -> Callable[[Cluster], None]:
    component, pattern = PROCESSES[process]

    def happen(cluster: Cluster) -> None:
        cluster.nodes.kill(cluster.victim(component), pattern)

    return happen


KILLS = [
    *(Event(f"force-delete-{each}", _force_delete(each), _loss(each)) for each in COUNTS),
    *(Event(f"kill-{each}", _kill(each), _loss(PROCESSES[each][0])) for each in PROCESSES),
]
