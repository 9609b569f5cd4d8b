"""Alerts fire when they should and only then, tested by promtool on the rendered rules.

rules/*.yaml are promtool unit tests. `<gateway>` and others stand for the labels of every series of
a component. Another release in the same Prometheus must not affect the alerts.
"""

from __future__ import annotations

import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepfake_serving.gateway.metrics import Metrics
from tests.chart.conftest import WATCHED
from tests.chart.helm import ROOT, Object, RenderError, render, rules, tool

CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RELEASE = {"namespace": "ns", "app_kubernetes_io_instance": "r"}


def promtool(*arguments: str) -> None:
    completed = subprocess.run(
        [tool("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def alerts(rules_file: Object) -> list[Object]:
    return [each for group in rules_file["groups"] for each in group["rules"] if "alert" in each]


def test_promtool_accepts_the_rules(rules_file: Object, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules_file))
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_as_expected(case: Path, rules_file: Object, tmp_path: Path) -> None:
    """Annotations are left out; `check rules` verifies their templates."""
    bare = deepcopy(rules_file)
    for each in alerts(bare):
        del each["annotations"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(bare))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(_complete(case)))
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def _complete(case: Path) -> Object:
    text = case.read_text()
    for component in ("gateway", "model-server", "worker", "probe"):
        labels = {**RELEASE, "app_kubernetes_io_component": component}
        matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
        text = text.replace(f"<{component}>", matchers)
        other = matchers.replace('instance="r"', 'instance="other"')
        text = text.replace(f"<other {component}>", other)
    created: Object = yaml.safe_load(text)
    for test in _alert_tests(created):
        test["exp_alerts"] = [
            {"exp_labels": {**RELEASE, **labels}} for labels in test.get("exp_alerts", [])
        ]
    return created


def _alert_tests(case: Object) -> list[Object]:
    return [each for test in case["tests"] for each in test.get("alert_rule_test", [])]


def test_every_alert_is_tested_firing_and_silent(rules_file: Object) -> None:
    request = [each for case in CASES for each in _alert_tests(yaml.safe_load(case.read_text()))]
    names = {each["alert"] for each in alerts(rules_file)}
    assert {each["alertname"] for each in request if each.get("exp_alerts")} == names
    assert {each["alertname"] for each in request if not each.get("exp_alerts")} == names


def test_every_alert_has_a_summary_and_a_runbook(rules_file: Object) -> None:
    for each in alerts(rules_file):
        annotations, name = each["annotations"], each["alert"]
        assert annotations["summary"]
        assert annotations["description"].endswith(".")
        assert annotations["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
        assert each["labels"]["severity"] in {"critical", "warning"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(rules_file: Object) -> None:
    names = {each["alert"] for each in alerts(rules_file)}
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == names
    index = (RUNBOOKS / "README.md").read_text()
    assert [name for name in sorted(names) if f"({name}.md)" not in index] == []


def _buckets() -> list[str]:
    histogram = Metrics().duration
    histogram.labels("/", "answered").observe(0)
    samples = [each for family in histogram.collect() for each in family.samples]
    return [each.labels["le"] for each in samples if each.name.endswith("_bucket")][:-1]


def _with_slo(**slo: float) -> list[Object]:
    return render(*WATCHED, values={"monitoring": {"slo": slo}})


@pytest.mark.parametrize(("seconds", "le"), [(0.25, "0.25"), (1, "1.0"), (10, "10.0")])
def test_the_latency_objective_is_a_histogram_bucket(seconds: float, le: str) -> None:
    assert le in _buckets()
    assert f'le="{le}"' in yaml.safe_dump(rules(_with_slo(imageLatencySeconds=seconds)))


def test_another_latency_is_refused_with_the_list_of_buckets() -> None:
    with pytest.raises(RenderError) as refused:
        _with_slo(imageLatencySeconds=2)
    buckets = ", ".join(f"{float(le):g}" for le in _buckets())
    message = "imageLatencySeconds: 2 is not a bucket of deepfake_request_duration_seconds"
    assert f"{message}: {buckets}" in str(refused.value)


def test_an_availability_objective_that_cannot_page_is_refused() -> None:
    with pytest.raises(RenderError, match=r"availabilityPercent: at least 93\.1"):
        _with_slo(availabilityPercent=93)


def _named(manifests: list[Object], alert: str) -> str:
    return "".join(each["expr"] for each in alerts(rules(manifests)) if each["alert"] == alert)


def test_pools_that_may_be_empty_raise_no_alert() -> None:
    scaling: dict[str, Any] = {"type": "keda", "minReplicas": 0}
    pools = [
        {"name": "gpu", "models": ["detector", "faces"], "autoscaling": scaling},
        {"name": "cpu", "models": ["detector"]},
    ]
    manifests = render(*WATCHED, values={"modelServer": {"pools": pools}})
    assert 'pool=~"cpu"' in _named(manifests, "DeepfakePoolDown")
    unserved = _named(manifests, "DeepfakeModelUnserved")
    assert 'model="detector"' in unserved
    assert 'model="faces"' not in unserved


def test_workers_that_scale_to_zero_raise_no_alert() -> None:
    scaling = {"type": "keda", "minReplicas": 0}
    manifests = render(*WATCHED, values={"worker": {"autoscaling": scaling}})
    assert 'component="worker"' not in _named(manifests, "DeepfakeMetricsAbsent")
    assert 'component="worker"' in _named(render(*WATCHED), "DeepfakeMetricsAbsent")


def test_alerts_of_single_pods_wait_as_long_as_a_model_server_may_take_to_start() -> None:
    slow = {"name": "slow", "startTimeoutSeconds": 1800, "deliveryTimeoutSeconds": 3600}
    manifests = render(*WATCHED, values={"modelServer": {"pools": [{"name": "cpu"}, slow]}})
    for manifest, minutes in ((render(*WATCHED), 15), (manifests, 92)):
        waits = {
            each["alert"]: (
                each["for"],
                f"for {minutes} minutes" in each["annotations"]["description"],
            )
            for each in alerts(rules(manifest))
            if each["alert"] in ("DeepfakeTargetDown", "DeepfakeReplicaNotReady")
        }
        assert waits == dict.fromkeys(waits, (f"{minutes}m", True))
        assert len(waits) == 2
