"""Objects of other projects' kinds, in the chart and in k8s/examples, against their schemas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.chart.custom_resources import errors, is_custom
from tests.chart.helm import CHART, Object, render
from tests.chart.promql import selectors
from tests.chart.test_monitoring import metrics
from tests.support.paths import ROOT

CASES = sorted((CHART / "ci").glob("*-values.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem.removesuffix("-values"))
def test_custom_resources_of_the_chart_are_valid(case: Path) -> None:
    for each in render(values=yaml.safe_load(case.read_text())):
        if is_custom(each):
            assert errors(each) == [], each["kind"]


def test_an_unknown_field_is_an_error() -> None:
    case = yaml.safe_load((CHART / "ci" / "gateway-api-values.yaml").read_text())
    (route,) = (each for each in render(values=case) if each["kind"] == "HTTPRoute")
    route["spec"]["rules"][0]["timeout"] = {}
    assert any("timeout" in error for error in errors(route))


FOLDER = ROOT / "k8s" / "examples"
# Flux has no Go module with its definitions for this version of Go.
EXAMPLES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "flux")


def _documents(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_examples_are_valid(path: Path) -> None:
    for each in _documents(path):
        assert is_custom(each)
        assert errors(each) == [], each["kind"]


def _queries() -> list[str]:
    found = []
    for path in EXAMPLES:
        for each in _documents(path):
            analysed = [m["provider"]["prometheus"] for m in each["spec"].get("metrics", ())]
            found += [m["query"] for m in (*analysed, each["spec"]) if "query" in m]
    return found


def test_queries_of_examples_use_existing_metrics_and_labels() -> None:
    scraped = {"namespace", "pod", "app_kubernetes_io_instance", "app_kubernetes_io_component"}
    queries = [re.sub(r"{{ ?[a-z.]+ ?}}", "5m", query) for query in _queries()]
    assert len(queries) > 6
    for selector in (each for query in queries for each in selectors(query)):
        known = [
            labels[selector.name] for _, labels in metrics().values() if selector.name in labels
        ]
        assert known, selector.name
        unknown = selector.labels - set().union(*known) - scraped - {"deepfake_serving_pool"}
        assert not unknown, (selector.name, unknown)
