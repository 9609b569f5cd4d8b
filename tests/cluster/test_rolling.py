"""Changes under load that clients must not notice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster import prometheus
from tests.cluster.kube import TWO, Release, kubectl, run, wait_until, with_settings
from tests.cluster.load import Clients


def names(release: Release, *components: str) -> set[str]:
    pods = [pod for each in components or ("model-server", "gateway") for pod in release.pods(each)]
    return {pod["metadata"]["name"] for pod in pods}


def report(what: str, clients: Clients) -> None:
    counts = clients.counts
    slowest = max(seconds for _, seconds in counts.latencies)
    responses = f"{dict(counts.good)} succeeded, {len(counts.failed)} failed"
    print(f"\n{what}: {responses}, slowest {slowest:.2f} s")


@pytest.mark.smoke
def test_a_rolling_upgrade_and_a_scale_down_lose_no_request(
    release: Release, clients: Callable[..., Clients]
) -> None:
    release.upgrade(values=TWO)
    before = names(release)
    with clients() as upgrading:
        upgrading.until(20)
        release.upgrade(values=with_settings(TWO, "warning"))
        upgrading.until(20)
    report("rolling upgrade of 2 gateways and 2 model servers", upgrading)
    assert not names(release) & before
    assert upgrading.counts.failed == []
    assert upgrading.counts.good["rest"] > 20
    assert upgrading.counts.good["grpc"] > 20
    with clients() as shrinking:
        shrinking.until(20)
        release.upgrade(
            values=with_settings({"modelServer": {"defaults": {}}, "gateway": {}}, "warning")
        )
        shrinking.until(40)
    report("scale-down to 1 and 1", shrinking)
    assert len(names(release)) == 2
    assert shrinking.counts.failed == []


def test_a_rollback_loses_no_request(release: Release, clients: Callable[..., Clients]) -> None:
    release.upgrade(values=with_settings({"modelServer": {"defaults": {}}, "gateway": {}}, "error"))
    with clients(rest=2, rpc=1) as load:
        load.until(10)
        run("helm", "rollback", release.name, "-n", release.namespace, "--wait", "--timeout", "3m")
        load.until(10)
    report("rollback", load)
    assert load.counts.failed == []
    config = release.get("configmap", f"{release.fullname}-gateway")
    assert "log_level" not in config["data"]["gateway.yaml"]


def test_a_drained_node_loses_no_request(release: Release, clients: Callable[..., Clients]) -> None:
    """The only node is drained of model servers. Replacements wait until it is uncordoned, and the
    PodDisruptionBudget blocks the second eviction until then. Gateways share a volume of one node,
    so they have no budget."""
    release.upgrade(values=TWO)
    before = names(release, "model-server")
    node = release.pods("model-server")[0]["spec"]["nodeName"]
    selector = "--pod-selector=app.kubernetes.io/component=model-server"
    with clients(rest=2, rpc=1) as load:
        load.until(10)
        drain = subprocess.Popen(
            ["kubectl", "drain", node, selector, "--delete-emptydir-data", "--ignore-daemonsets"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            load.until(30)
            assert drain.poll() is None, "the budget should have blocked it"
            assert names(release, "model-server") & before, "one eviction, not two"
        finally:
            kubectl("uncordon", node)
        assert drain.wait(240) == 0
        load.until(10)
    release.upgrade(values=TWO)
    report("drained node", load)
    assert not names(release, "model-server") & before
    assert load.counts.failed == []


def test_a_killed_pod_causes_only_a_retry(
    release: Release, clients: Callable[..., Clients]
) -> None:
    """Without a grace period, as when a node is lost: gateways retry on the other replica."""
    release.upgrade(values={"modelServer": {"defaults": {"replicas": 2}}})
    gateways = f'namespace="{release.namespace}",app_kubernetes_io_component="gateway"'
    known = f'min(deepfake_replicas{{{gateways},state="healthy"}})'
    wait_until(lambda: prometheus.value(known) == 2, 60, "gateways to know both replicas")
    pod: Any = release.pods("model-server")[0]["metadata"]["name"]
    with clients(rest=4, rpc=0) as load:
        load.until(20)
        release.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
        load.until(40)
    report("a model server killed", load)
    assert load.counts.failed == []
