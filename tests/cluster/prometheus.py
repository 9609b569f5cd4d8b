"""The Prometheus at PROMETHEUS_URL, which scrapes the cluster's pods by their annotations."""

from __future__ import annotations

import os

import httpx


def url() -> str:
    """Returns its address."""
    found = os.environ.get("PROMETHEUS_URL")
    assert found, "PROMETHEUS_URL is unset: it must name the Prometheus that scrapes this cluster"
    return found


def value(query: str) -> float | None:
    """Returns the sum of an instant query's results; None if there are none."""
    response = httpx.get(f"{url()}/api/v1/query", params={"query": query}, timeout=10)
    response.raise_for_status()
    found = response.json()["data"]["result"]
    return sum(float(each["value"][1]) for each in found) if found else None
