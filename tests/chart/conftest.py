"""Fixtures that the chart's tests share."""

from __future__ import annotations

import pytest

from tests.chart.helm import Object, render, rules

WATCHED = (
    "monitoring.podMonitor.enabled=true",
    "monitoring.probe.enabled=true",
    "monitoring.prometheusRule.enabled=true",
    "monitoring.dashboards.enabled=true",
)


@pytest.fixture(scope="session")
def watched() -> list[Object]:
    """Renders the chart's defaults with all monitoring enabled."""
    return render(*WATCHED)


@pytest.fixture(scope="session")
def rules_file(watched: list[Object]) -> Object:
    """Returns the rules as a plain rules file."""
    return rules(watched)
