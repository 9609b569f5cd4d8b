"""One installation of the chart with defaults for all tests, on the cluster of KUBECONFIG."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Release, create_namespace, delete_namespace, run, wait_until
from tests.cluster.load import Clients

HERE = Path(__file__).parent
NAMESPACE = "deepfake-test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fails without a cluster: these tests are never skipped."""
    missing = [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]
    if any(HERE in item.path.parents for item in items) and (
        missing or "KUBECONFIG" not in os.environ
    ):
        raise pytest.UsageError(
            f"tests/cluster needs KUBECONFIG, and on PATH: {missing or 'nothing'}"
        )


@pytest.fixture(scope="session")
def namespace() -> Iterator[str]:
    """Creates a namespace that admits only restricted pods."""
    create_namespace(NAMESPACE)
    yield NAMESPACE
    if "KEEP" not in os.environ:
        delete_namespace(NAMESPACE)


@pytest.fixture(scope="session")
def installed(namespace: str) -> Release:
    """Installs the chart's defaults, except images and sizes; prints the seconds until ready."""
    release = Release("e2e", namespace)
    seconds = wait_until(lambda: release.upgrade() is None, 300, "installed")
    print(f"\nhelm install to ready: {seconds:.1f} s")
    return release


@pytest.fixture
def release(installed: Release) -> Release:
    """Resets the release to default values before each test."""
    installed.upgrade()
    return installed


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Prints the state of the cluster after a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and HERE in item.path.parents:
        report.sections.append(("cluster", _state()))


def _state() -> str:
    logs = ["kubectl", "-n", NAMESPACE, "logs", "--tail=40", "--prefix", "--all-containers"]
    commands = [
        ["kubectl", "-n", NAMESPACE, "get", "pods,deployments,hpa", "-o", "wide"],
        ["kubectl", "-n", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp"],
        *(
            [*logs, "-l", f"app.kubernetes.io/component={component}"]
            for component in ("gateway", "model-server", "worker", "redis")
        ),
    ]
    said = [subprocess.run(c, capture_output=True, text=True, check=False) for c in commands]
    return "\n".join(each.stdout[-12000:] + each.stderr[-2000:] for each in said)


@pytest.fixture
def clients(release: Release, astronaut_jpeg: bytes) -> Callable[..., Clients]:
    """Returns clients that use the gateway's node port."""

    def created(*, rest: int = 4, rpc: int = 2) -> Clients:
        return Clients(
            release.url, release.address("grpc"), release.key, astronaut_jpeg, rest=rest, rpc=rpc
        )

    return created


@pytest.fixture(scope="session")
def in_pod(installed: Release) -> Callable[..., str]:
    """Runs Python in a pod that does not belong to the release; returns its output."""

    def ran(code: str, *, labels: str = "app=stranger", namespace: str | None = None) -> str:
        name = f"stranger-{os.urandom(4).hex()}"
        security = {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        container = {
            "name": name,
            "image": "deepfake-gateway:dev",
            "args": ["-c", code],
            "securityContext": security,
        }
        overrides = json.dumps({"spec": {"containers": [container]}})
        where = namespace or installed.namespace
        return run(
            *(
                "kubectl",
                "-n",
                where,
                "run",
                name,
                "--image=deepfake-gateway:dev",
                "--restart=Never",
            ),
            *("--rm", "-i", "--quiet", f"--labels={labels}", f"--overrides={overrides}"),
            timeout_s=120,
        )

    return ran
