"""Dashboards and rules name existing metrics (docs/metrics.md) and the labels of scraping."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.chart.conftest import WATCHED
from tests.chart.expressions import DCGM, Expression, collect
from tests.chart.helm import ROOT, Object, only, render
from tests.chart.promql import Selector, selectors

FOREIGN = DCGM | {"process_start_time_seconds": frozenset[str]()}
"""Labels of metrics that the table does not name."""
SCRAPED = {
    *("namespace", "pod", "container"),
    *("app_kubernetes_io_instance", "app_kubernetes_io_component"),
}
POOL = "deepfake_serving_pool"
SCALED = {
    "modelServer": {
        "pools": [
            {"name": "gpu", "autoscaling": {"type": "keda", "minReplicas": 0}},
            {"name": "cpu", "autoscaling": {"type": "keda", "minReplicas": 1}},
            {"name": "old", "autoscaling": {"type": "hpa"}},
        ]
    },
    "worker": {"autoscaling": {"type": "keda"}},
}
"""Renders all manifests with expressions."""

Labels = dict[str, set[str]]


@cache
def metrics() -> dict[str, tuple[Labels, Labels]]:
    """Returns labels by series, of counters and of all, for `model-server` and `gateway`."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    below, above = re.split("^## Gateway", text, flags=re.MULTILINE)
    return {"model-server": _table(below), "gateway": _table(above)}


def _table(text: str) -> tuple[Labels, Labels]:
    counters: Labels = {}
    every: Labels = {"up": set(), "probe_success": set()}
    for name, kind, cell in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE):
        labels = set(re.findall(r"`(\w+)`", cell))
        created = {name: labels}
        if kind == "histogram":
            created = {f"{name}_sum": labels, f"{name}_count": labels}
            created[f"{name}_bucket"] = labels | {"le"}
        every |= created
        counters |= created if kind in ("counter", "histogram") else {}
    return counters, every


@pytest.fixture(scope="session")
def expressions() -> list[Expression]:
    return collect(render(*WATCHED, values=SCALED))


@pytest.fixture(scope="session")
def recorded(expressions: list[Expression]) -> Labels:
    """Returns labels of recorded series: those of the release, and those that the rules set."""
    created: Labels = {}
    for each in expressions:
        name = each.source.rpartition("/")[2]
        if each.source.startswith("rule ") and ":" in name:
            by = re.findall(r" by \(([^)]*)\)", each.text)
            created[name] = {
                "slo",
                *(", ".join(by) or "namespace, app_kubernetes_io_instance").split(", "),
            }
    return created


def _sides(selector: Selector) -> set[str]:
    """Returns the component whose metrics it queries; a worker's are the gateway's."""
    if POOL in selector.labels:
        return {"model-server"}
    for matcher in selector.matchers:
        if matcher.startswith("app_kubernetes_io_component="):
            return {"model-server" if "model-server" in matcher else "gateway"}
    return {"model-server", "gateway"}


def _wrong(selector: Selector, recorded: Labels) -> str | None:
    if ":" in selector.name:
        known = recorded.get(selector.name)
        unknown = selector.labels - known if known is not None else {"any"}
        return f"{selector.name}: {unknown}" if unknown else None
    if selector.name in FOREIGN:
        unknown = selector.labels - FOREIGN[selector.name] - SCRAPED - {POOL}  # joined
        return f"{selector.name}: {unknown}" if unknown else None
    for side in _sides(selector):
        known = metrics()[side][1].get(selector.name)
        pool = {POOL} if side == "model-server" else set()
        if known is not None and not selector.labels - known - SCRAPED - pool:
            return None
    return f"{selector.name}{set(selector.labels)} of {_sides(selector)}"


def test_the_table_of_metrics_is_parsed() -> None:
    assert metrics()["gateway"][1]["deepfake_requests_total"] == {"route", "code"}
    assert metrics()["model-server"][1]["deepfake_score_bucket"] == {"model", "le"}
    assert "deepfake_score_sum" in metrics()["model-server"][0]


def test_expressions_are_found_everywhere(expressions: list[Expression]) -> None:
    kinds = [each.source.split()[0] for each in expressions]
    assert {kind: kinds.count(kind) > 1 for kind in kinds} == dict.fromkeys(
        ("rule", "dashboard", "ScaledObject", "HPA"), True
    )


def test_every_expression_uses_existing_metrics_and_labels(
    expressions: list[Expression], recorded: Labels
) -> None:
    wrong = [
        f"{each.source}: {problem}"
        for each in expressions
        for selector in selectors(each.text)
        if (problem := _wrong(selector, recorded))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        'deepfake_reqests_total{app_kubernetes_io_component="gateway"}',
        'deepfake_requests_total{app_kubernetes_io_component="gateway",status="200"}',
        'sum by (pool) (deepfake_requests_total{app_kubernetes_io_component="gateway"})',
        'deepfake_score_count{app_kubernetes_io_component="gateway"}',
        'deepfake_replicas{app_kubernetes_io_component="gateway",deepfake_serving_pool="cpu"}',
        "deepfake:slo_errors:ratio_rate7m",
    ],
)
def test_a_selector_of_a_missing_series_is_reported(text: str, recorded: Labels) -> None:
    assert any(_wrong(selector, recorded) for selector in selectors(text))


def test_counters_are_read_through_their_rates(expressions: list[Expression]) -> None:
    counters = {name for side in metrics().values() for name in side[0]}
    raw = [
        f"{each.source}: {selector.name}"
        for each in expressions
        for selector in selectors(each.text)
        if selector.name in counters and selector.function not in ("rate", "increase")
    ]
    assert raw == []


def test_rules_and_triggers_select_only_their_own_release(expressions: list[Expression]) -> None:
    scope = {'namespace="ns"', 'app_kubernetes_io_instance="r"'}
    strangers = [
        f"{each.source}: {selector.text()}"
        for each in expressions
        if each.source.startswith(("rule", "ScaledObject"))
        for selector in selectors(each.text)
        if not scope <= set(selector.matchers)
    ]
    assert strangers == []


def test_metrics_of_both_servers_are_distinguished_by_job(expressions: list[Expression]) -> None:
    both = set(metrics()["gateway"][1]) & set(metrics()["model-server"][1])
    mixed = [
        f"{each.source}: {selector.text()}"
        for each in expressions
        if "$" not in each.source  # variables list what any component has
        for selector in selectors(each.text)
        if selector.name in both and len(_sides(selector)) > 1
    ]
    assert mixed == []


def test_monitoring_is_off_by_default() -> None:
    kinds = {each["kind"] for each in render()}
    assert not kinds & {"PodMonitor", "PrometheusRule"}
    assert not [each for each in only(render(), "ConfigMap") if "dashboard" in str(each["data"])]


def _monitored(manifests: list[Object]) -> list[tuple[Object, Object]]:
    """Each PodMonitor with each Deployment whose pods it selects."""
    return [
        (monitor, deployment)
        for monitor in only(manifests, "PodMonitor")
        for deployment in only(manifests, "Deployment")
        if monitor["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    ]


def test_pod_monitors_scrape_the_annotated_ports() -> None:
    manifests = render(*WATCHED, values=SCALED)
    pairs = _monitored(manifests)
    assert len(pairs) == len(only(manifests, "Deployment")) == 5
    annotated = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]
        for each in only(render(values=SCALED), "Deployment")
    }
    for monitor, deployment in pairs:
        (container, *_) = deployment["spec"]["template"]["spec"]["containers"]
        notes = annotated[deployment["metadata"]["name"]]
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert str(ports[endpoint["port"]]) == notes["prometheus.io/port"]
        assert endpoint["path"] == notes["prometheus.io/path"]


def test_pod_monitors_keep_the_requested_labels(expressions: list[Expression]) -> None:
    """The operator adds namespace, pod and container."""
    request = {label for each in expressions for s in selectors(each.text) for label in s.labels}
    for monitor, _ in _monitored(render(*WATCHED, values=SCALED)):
        kept = {re.sub("[^a-zA-Z0-9_]", "_", each) for each in monitor["spec"]["podTargetLabels"]}
        assert (SCRAPED | {POOL}) & request - {"namespace", "pod", "container"} <= kept
