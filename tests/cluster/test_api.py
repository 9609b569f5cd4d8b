"""The API server accepts every object of every file of ci/, field by field.

CRDs come from the Go modules of their projects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.custom_resources import definition, is_custom
from tests.cluster.kube import CHART, Object, kubectl, run

NAMESPACE = "deepfake-api"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))


def _rendered(case: Path) -> list[Object]:
    """Returns the objects of a file of ci/, for a cluster that has IPv4 only, as kind's has."""
    text = run("helm", "template", "r", str(CHART), "-n", NAMESPACE, "-f", str(case))
    objects = [each for each in yaml.safe_load_all(text) if each]
    for each in objects:
        if each["kind"] == "Service" and "IPv6" in each["spec"].get("ipFamilies", []):
            each["spec"]["ipFamilies"] = ["IPv4"]
    return objects


def _definitions() -> list[Object]:
    """Returns the CustomResourceDefinitions of all kinds that the files of ci/ create."""
    objects = [each for case in CASES for each in _rendered(case)]
    kinds = {
        (each["apiVersion"].partition("/")[0], each["kind"]) for each in filter(is_custom, objects)
    }
    return [definition(group, kind) for group, kind in sorted(kinds)]


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """Installs all CRDs, and removes those that were not there before."""
    before = set(kubectl("get", "crd", "-o", "name").split())
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(_definitions()))
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
    objects = _rendered(case)
    output = kubectl(
        *("-n", NAMESPACE, "apply", "--dry-run=server", "--validate=strict", "-f", "-"),
        "--warnings-as-errors",
        stdin=yaml.safe_dump_all(objects),
    )
    assert len(output.strip().splitlines()) == len(objects)
