"""Fixtures that the chart's tests share."""

from __future__ import annotations

import pytest

from tests.chart.helm import Object, render, rules

WATCHED = (
    "monitoring.podMonitor.enabled=true",
    "monitoring.prometheusRule.enabled=true",
    "monitoring.dashboards.enabled=true",
)


@pytest.fixture(scope="session")
def watched() -> list[Object]:
    """The chart's defaults with all that watches switched on."""
    return render(*WATCHED)


@pytest.fixture(scope="session")
def rules_file(watched: list[Object]) -> Object:
    """Its rules, as a plain rules file."""
    return rules(watched)
