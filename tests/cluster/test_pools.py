"""Pools: each on its own kind of node, pending without one, and a canary's share.

kwok simulates GPU nodes (its controller must run): the scheduler treats them as real, and pods on
them are reported as running. No model runs there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.kube import Object, Release, kubectl, wait_until
from tests.cluster.load import Clients


def node(name: str, labels: dict[str, str], resources: dict[str, str]) -> Object:
    everything = {"cpu": "32", "memory": "256Gi", "pods": "110", **resources}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "type": "kwok", **labels},
        },
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
        "status": {"allocatable": everything, "capacity": everything},
    }


NODES = [
    node("whole-1", {"pool": "whole"}, {"nvidia.com/gpu": "1"}),
    node("whole-2", {"pool": "whole"}, {"nvidia.com/gpu": "1"}),
    node("sliced-1", {"nvidia.com/mig.strategy": "mixed"}, {"nvidia.com/mig-1g.10gb": "2"}),
]
DEFAULT = {"name": "cpu"}
"""The pool of values.yaml."""
TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.fixture
def gpu_nodes(release: Release) -> Iterator[None]:
    """Simulates two nodes with one GPU each, and one with two MIG slices."""
    names = [each["metadata"]["name"] for each in NODES]
    for each in NODES:
        kubectl("apply", "-f", "-", stdin=json.dumps(each))
    for name in names:
        kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=30s")
    yield
    release.upgrade()
    kubectl("delete", "node", *names)


def pools(whole: int) -> Object:
    whole_gpus = {
        "name": "whole",
        "replicas": whole,
        "gpu": {"resource": "nvidia.com/gpu"},
        "nodeSelector": {"pool": "whole"},
        "tolerations": TOLERATIONS,
    }
    slices = {
        "name": "sliced",
        "replicas": 2,
        "gpu": {"resource": "nvidia.com/mig-1g.10gb"},
        "tolerations": TOLERATIONS,
    }
    return {"modelServer": {"pools": [whole_gpus, slices, {"name": "cpu", "priority": 1}]}}


def nodes_of(release: Release, pool: str) -> list[str]:
    return sorted(p["spec"].get("nodeName", "") for p in release.pods("model-server", pool))


@pytest.mark.usefixtures("gpu_nodes")
def test_each_pool_runs_on_its_nodes_and_is_pending_without_a_gpu(
    release: Release, astronaut_jpeg: bytes
) -> None:
    release.upgrade(values=pools(whole=2))
    assert nodes_of(release, "whole") == ["whole-1", "whole-2"]
    assert nodes_of(release, "sliced") == ["sliced-1", "sliced-1"]
    assert not any(name.startswith(("whole", "sliced")) for name in nodes_of(release, "cpu"))
    release.upgrade(values=pools(whole=3), wait=False)
    wait_until(
        lambda: nodes_of(release, "whole") == ["", "whole-1", "whole-2"], 30, "one is Pending"
    )
    pending = next(p for p in release.pods("model-server", "whole") if "nodeName" not in p["spec"])
    assert pending["status"]["phase"] == "Pending"
    wait_until(
        lambda: any(
            "Insufficient nvidia.com/gpu" in event
            for event in release.events("Pod", pending["metadata"]["name"])
        ),
        20,
        "an event that names the resource",
    )
    # Simulated GPU pods are not replicas for the gateway: CPUs serve the requests.
    headers = {"Authorization": f"Bearer {release.key}", "Content-Type": "image/jpeg"}
    response = httpx.post(f"{release.url}/v1/images", content=astronaut_jpeg, headers=headers)
    assert response.status_code == 200, response.text


def classified(release: Release, pool: str) -> float:
    """Returns the number of images that the pool's replicas have classified."""
    total = 0.0
    for pod in release.pods("model-server", pool):
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}:8082/proxy/metrics"
        for family in text_string_to_metric_families(kubectl("get", "--raw", path)):
            if family.name == "deepfake_verdicts":
                total += sum(s.value for s in family.samples if s.name.endswith("_total"))
    return total


def share(release: Release, image: bytes, count: int) -> float:
    """Returns the canary's share of `count` images."""
    before = {pool: classified(release, pool) for pool in ("stable", "canary")}
    headers = {"Authorization": f"Bearer {release.key}", "Content-Type": "image/jpeg"}
    with httpx.Client(base_url=release.url, headers=headers, timeout=60) as http:
        for _ in range(count):
            response = http.post("/v1/images", content=image)
            assert response.status_code == 200, response.text
    seen = {pool: classified(release, pool) - before[pool] for pool in before}
    assert sum(seen.values()) == count
    return seen["canary"] / count


@pytest.mark.parametrize(("weight", "least", "most"), [(10, 0.03, 0.20), (50, 0.38, 0.62)])
def test_helm_changes_the_weight_of_a_canary(
    release: Release, astronaut_jpeg: bytes, weight: int, least: float, most: float
) -> None:
    """Sends 250 images; the limits are more than three standard deviations apart."""
    stable, canary = (
        {"name": "stable", "weight": 100 - weight},
        {"name": "canary", "weight": weight},
    )
    release.upgrade(values={"modelServer": {"pools": [DEFAULT, stable, canary]}})
    release.upgrade(values={"modelServer": {"pools": [stable, canary]}})
    found = share(release, astronaut_jpeg, 250)
    print(f"\ncanary of weight {weight}: {found:.1%} of 250")
    assert least <= found <= most


def test_a_pool_is_replaced_in_two_upgrades_without_a_failed_request(
    release: Release, clients: Callable[..., Clients]
) -> None:
    release.upgrade()
    with clients(rest=2, rpc=1) as load:
        load.until(10)
        release.upgrade(values={"modelServer": {"pools": [DEFAULT, {"name": "new"}]}})
        load.until(10)
        release.upgrade(values={"modelServer": {"pools": [{"name": "new"}]}})
        load.until(10)
    print(f"\n{dict(load.counts.good)} succeeded, {len(load.counts.failed)} failed")
    assert load.counts.failed == []
    assert not release.pods("model-server", "cpu")
