"""Objects of other projects' kinds, in the chart and in k8s/examples, against their schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.custom_resources import errors, is_custom
from tests.chart.helm import CHART, render

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
