"""The API server accepts every object of every file of ci/, field by field.

CRDs come from the Go modules of their projects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube import CHART, kubectl, run

NAMESPACE = "deepfake-api"
GO_MODULES = {
    "sigs.k8s.io/gateway-api@v1.4.0": "config/crd/standard/*_{grpcroutes,httproutes}.yaml",
    "github.com/cilium/cilium@v1.18.2": (
        "pkg/k8s/apis/cilium.io/client/crds/v2/{ciliumnetworkpolicies}.yaml"
    ),
    "github.com/kedacore/keda/v2@v2.18.1": "config/crd/bases/keda.sh_{scaledobjects}.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/*_{podmonitors,prometheusrules}.yaml"
    ),
}
CASES = sorted((CHART / "ci").glob("*-values.yaml"))


def _files(folder: Path, pattern: str) -> list[Path]:
    head, _, rest = pattern.partition("{")
    names, _, tail = rest.partition("}")
    return [f for name in names.split(",") for f in sorted(folder.glob(head + name + tail))]


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """Installs all CRDs, and removes those that were not there before."""
    before = set(kubectl("get", "crd", "-o", "name").split())
    for module, pattern in GO_MODULES.items():
        found = json.loads(run("go", "mod", "download", "-json", module))
        files = _files(Path(found["Dir"]), pattern)
        assert files, module
        for file in files:
            kubectl("apply", "--server-side", "-f", str(file))
    new = set(kubectl("get", "crd", "-o", "name").split()) - before
    for each in new:
        kubectl("wait", "--for=condition=Established", each, "--timeout=30s")
    kubectl("create", "namespace", NAMESPACE)
    for account in ("r-deepfake-serving", "dfs"):  # pods are refused without theirs
        kubectl("-n", NAMESPACE, "create", "serviceaccount", account)
    yield
    kubectl("delete", "namespace", NAMESPACE)
    if new:
        kubectl("delete", *new)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem.removesuffix("-values"))
def test_the_api_server_accepts_the_chart(case: Path) -> None:
    rendered = run("helm", "template", "r", str(CHART), "-n", NAMESPACE, "-f", str(case))
    count = sum(1 for each in yaml.safe_load_all(rendered) if each)
    output = kubectl(
        *("-n", NAMESPACE, "apply", "--dry-run=server", "--validate=strict", "-f", "-"),
        "--warnings-as-errors",
        stdin=rendered,
    )
    assert len(output.strip().splitlines()) == count
