"""Numbers of pods that KEDA's triggers request, on made-up samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.helm import only, render
from tests.chart.test_rules import promtool

_WORKER = 'namespace="default",app_kubernetes_io_instance="r",app_kubernetes_io_component="worker"'


@pytest.mark.parametrize(
    ("ready", "wanted"), [({"a": 1, "b": 1}, 2), ({"a": 0, "b": 1}, 1), ({"a": 0, "b": 0}, 0)]
)
def test_workers_that_run_a_job_are_wanted_until_they_drain(
    ready: dict[str, int], wanted: int, tmp_path: Path
) -> None:
    values = {"worker": {"autoscaling": {"type": "keda"}}}
    scaled = only(render(values=values, name="r", namespace="default"), "ScaledObject")
    query = scaled[0]["spec"]["triggers"][1]["metadata"]["query"]
    series = {f'deepfake_ready{{{_WORKER},pod="{pod}"}}': value for pod, value in ready.items()}
    for pod in ready:
        series[f'deepfake_running_jobs{{{_WORKER},pod="{pod}",kind="video"}}'] = 1
    given = [{"series": name, "values": f"{value}x5"} for name, value in series.items()]
    samples = [{"labels": "{}", "value": wanted}]
    expected = {"expr": query, "eval_time": "2m", "exp_samples": samples}
    case = {"interval": "1m", "input_series": given, "promql_expr_test": [expected]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": [case]}))
    promtool("test", "rules", str(tmp_path / "test.yaml"))
