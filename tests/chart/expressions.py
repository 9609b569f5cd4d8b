"""Collects every PromQL expression of the project, and checks them on a live Prometheus.

manifests = render("monitoring.prometheusRule.enabled=true", …)
assert check_live("http://127.0.0.1:9090", collect(manifests)) == []
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import httpx
import yaml

from tests.chart.helm import ROOT, Object, only
from tests.chart.promql import Selector, operands, selectors

ADAPTER = ROOT / "k8s" / "monitoring" / "prometheus-adapter.yaml"

RARE = {
    "deepfake_requests_total": frozenset({"code"}),
    "deepfake_results_total": frozenset({"code"}),
    "deepfake_problems_total": frozenset({"type"}),
}
"""Labels whose values exist only after a failure; they are not required."""

LATE = {"deepfake:score:mean7d_before"}
"""Recorded from samples older than a day, which a new Prometheus does not have."""

EVENTS = {
    "deepfake_problems_total": "a request was refused",
    "deepfake_jobs_ended_total": "a job has ended",
    "deepfake_job_duration_seconds": "a job has ended",
    "deepfake_upstream_hedges_total": "an image was hedged",
    "deepfake_live_windows_total": "a live source was followed",
}
"""Metrics without a series until an event; all others need one image over REST."""


DCGM = {
    f"DCGM_FI_DEV_{name}": frozenset({"gpu", "GPU_I_PROFILE"})
    for name in ("GPU_UTIL", "FB_USED", "SM_CLOCK", "GPU_TEMP", "POWER_USAGE", "XID_ERRORS")
}
"""Labels of the default metrics of NVIDIA's exporter that dashboards use."""


@dataclass(frozen=True)
class Expression:
    """A PromQL expression and its source. Dashboard variables match everything."""

    source: str
    text: str


def collect(manifests: Collection[Object]) -> list[Expression]:
    """Yields the expressions of rules, dashboards, KEDA's triggers and prometheus-adapter."""
    return [
        *_rules(manifests),
        *_dashboards(manifests),
        *_triggers(manifests),
        *adapter(manifests),
    ]


def _rules(manifests: Iterable[Object]) -> Iterator[Expression]:
    for manifest in only(manifests, "PrometheusRule"):
        for group in manifest["spec"]["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                yield Expression(f"rule {group['name']}/{name}", rule["expr"])


def _dashboards(manifests: Iterable[Object]) -> Iterator[Expression]:
    for manifest in only(manifests, "ConfigMap"):
        for file, text in manifest["data"].items():
            if file.endswith(".json"):
                yield from dashboard(file, json.loads(text))


def dashboard(name: str, document: Object) -> Iterator[Expression]:
    """Yields the expressions of panels and variables."""
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            source = f"dashboard {name}/{panel['title']}/{target['refId']}"
            yield Expression(source, _filled(target["expr"]))
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            source = f"dashboard {name}/${variable['name']}"
            query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            assert query, f"{source}: {variable['query']}"
            yield Expression(source, f"count by ({query[2]}) ({_filled(query[1])})")


def _filled(text: str) -> str:
    text = re.sub(r"\$__(rate_interval|interval|range)\b", "5m", text)
    return re.sub(r"\$\w+", ".+", text)


def _triggers(manifests: Iterable[Object]) -> Iterator[Expression]:
    for manifest in only(manifests, "ScaledObject"):
        for trigger in manifest["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                source = f"ScaledObject {manifest['metadata']['name']}"
                yield Expression(source, trigger["metadata"]["query"])


def adapter(manifests: Iterable[Object]) -> Iterator[Expression]:
    """Yields prometheus-adapter's queries for the HPAs' metrics; fails where it knows none."""
    known = {rule["name"]["as"]: rule for rule in yaml.safe_load(ADAPTER.read_text())["rules"]}
    for manifest in only(manifests, "HorizontalPodAutoscaler"):
        meta = manifest["metadata"]
        for metric in manifest["spec"]["metrics"]:
            if metric["type"] == "Pods":
                name = metric["pods"]["metric"]["name"]
                yield from _adapted(f"HPA {meta['name']}/{name}", known[name], meta["namespace"])


def _adapted(source: str, rule: Object, namespace: str) -> Iterator[Expression]:
    matchers = f'namespace="{namespace}",pod=~".+"'
    query = rule["metricsQuery"].replace("<<.LabelMatchers>>", matchers)
    yield Expression(source, query.replace("<<.GroupBy>>", "pod"))
    yield Expression(f"{source} (seriesQuery)", rule["seriesQuery"])


def check_live(
    prometheus_url: str, expressions: Iterable[Expression], missing: Collection[str] = ()
) -> list[str]:
    """Returns a line for each expression without a result in a Prometheus.

    Alerts are queried without their comparisons, so an empty result means a wrong name or label,
    never that all is well. Prometheus must have loaded the rules and scraped all components twice,
    after an image and the events in `EVENTS`.

    Args:
        missing: metrics whose event did not happen.
    """
    failures: dict[str, None] = {}
    with httpx.Client(base_url=prometheus_url, timeout=30) as client:
        for each in expressions:
            checked = [s for s in selectors(each.text) if s.name not in LATE]
            there = [s for s in checked if _base(s.name) not in missing]
            wrong = [text for s in there for text in _wrong(client, s)]
            if not wrong and len(there) == len(selectors(each.text)):
                wrong = [text for text in operands(each.text) if not _has_result(client, text)]
                wrong = [f"no result of {text}" for text in wrong]
            failures |= dict.fromkeys(f"{each.source}: {text}" for text in wrong)
    return list(failures)


def _base(name: str) -> str:
    return re.sub("_(bucket|sum|count)$", "", name)


def _wrong(client: httpx.Client, selector: Selector) -> list[str]:
    text = selector.text(without=RARE.get(selector.name, frozenset()))
    found = _query(client, text)
    if not found:
        event = EVENTS.get(_base(selector.name))
        return [f"no series {text}" + (f"; did it happen that {event}?" if event else "")]
    known = {label for series in found for label in series["metric"]}
    return [f"{selector.name} has no label {label}" for label in sorted(selector.labels - known)]


def _has_result(client: httpx.Client, text: str) -> bool:
    for name, labels in RARE.items():
        for label in labels:
            text = re.sub(rf'({name}{{[^}}]*?),?{label}=~?"[^"]*"', r"\1", text)
    return bool(_query(client, re.sub(r"\boffset \w+", "", text)))


def _query(client: httpx.Client, text: str) -> list[Object]:
    document = client.post("/api/v1/query", data={"query": text}).json()
    assert document["status"] == "success", f"{document.get('error')}: {text}"
    found: list[Object] = document["data"]["result"]
    return found
