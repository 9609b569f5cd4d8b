"""Dashboards are generated from scripts/dashboards, and each panel has a description."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from scripts.dashboards import FOLDER, PAGES
from tests.chart.helm import ROOT, Object, only, tool

BOARDS = {name: json.loads(page()) for name, page in PAGES.items()}
board = pytest.mark.parametrize("board", BOARDS.values(), ids=lambda each: each["uid"])


def panels(board: Object) -> list[Object]:
    return [each for each in board["panels"] if each["type"] != "row"]


def test_files_are_up_to_date() -> None:
    files = {f"{FOLDER}/{path.name}": path.read_text() for path in (ROOT / FOLDER).iterdir()}
    assert files == {name: page() for name, page in PAGES.items()}


@board
def test_every_panel_has_a_description(board: Object) -> None:
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)


def test_latency_leaves_out_what_lasts_until_the_client_disconnects() -> None:
    board = BOARDS[f"{FOLDER}/overview.json"]
    (panel,) = (each for each in panels(board) if each["title"] == "95 % latency by route")
    left_out = re.compile(re.findall(r'route!~"([^"]+)"', panel["targets"][0]["expr"])[0])
    detector = pb.DESCRIPTOR.services_by_name["Detector"]
    streaming = [method.name for method in detector.methods if method.server_streaming]
    lasting = ["/v1/stream", "/v1/jobs/{job_id}/events"]
    lasting += [f"/{detector.full_name}/{name}" for name in streaming]
    assert all(left_out.fullmatch(route) for route in lasting)
    assert not left_out.fullmatch("/v1/images")


def test_counts_that_every_gateway_exports_are_added_up_over_releases(tmp_path: Path) -> None:
    """Two releases, one with two gateways, have four healthy replicas and eight queued jobs."""
    counts = {
        "overview": {"Healthy replicas": 4, "Jobs": 8},
        "jobs": {"Backlog": 8, "Kept": 6},
        "pools": {"Replicas seen by gateways": 4},
    }
    series = [
        {
            "series": f'{name},app_kubernetes_io_component="gateway",namespace="ns",'
            f'app_kubernetes_io_instance="{release}",pod="{pod}"}}',
            "values": str(value),
        }
        for release, pod in (("a", "a1"), ("a", "a2"), ("b", "b1"))
        for name, value in (
            ('deepfake_replicas{pool="cpu",state="healthy"', 1 if pod == "a1" else 2),
            ('deepfake_jobs{state="queued"', 4),
            ('deepfake_jobs{state="succeeded"', 3),
        )
    ]
    expected = [
        {
            "expr": f"sum({_filled(panel['targets'][0]['expr'])})",
            "eval_time": "0s",
            "exp_samples": [{"labels": "{}", "value": counts[name][panel["title"]]}],
        }
        for name in counts
        for panel in panels(BOARDS[f"{FOLDER}/{name}.json"])
        if panel["title"] in counts[name]
    ]
    assert len(expected) == 5
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expected}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": [test]}))
    subprocess.run([tool("promtool"), "test", "rules", tmp_path / "test.yaml"], check=True)


def _filled(expression: str) -> str:
    """Selects all, as a dashboard does at first."""
    return re.sub(r'=~"\$\w+"', '=~".*"', expression)


@board
def test_panels_do_not_overlap(board: Object) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@board
def test_every_query_uses_the_dashboard_variables(board: Object) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "namespace", "instance"]
    used = set()
    for panel in panels(board):
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["expr"].count("{") == target["expr"].count('namespace=~"$namespace"')
            used |= set(re.findall(r'=~"\$(\w+)"', target["expr"]))
            assert '="$' not in target["expr"].replace('=~"$', "")
    assert used == set(variables) - {"datasource"}
    assert all(variables[name]["multi"] and variables[name]["includeAll"] for name in used)


@board
def test_legends_use_labels_that_the_query_keeps(board: Object) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            by = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            if by:
                assert named <= by, panel["title"]


def test_each_dashboard_is_a_config_map_with_the_label_of_the_grafana_sidecar(
    watched: list[Object],
) -> None:
    found = [
        each for each in only(watched, "ConfigMap") if "-dashboard-" in each["metadata"]["name"]
    ]
    assert {json.loads(text)["uid"] for each in found for text in each["data"].values()} == {
        each["uid"] for each in BOARDS.values()
    }
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in found)
