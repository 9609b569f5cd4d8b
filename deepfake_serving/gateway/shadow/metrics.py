"""Metrics of shadow pools: how often and how far their verdicts differ from those served."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

_DIFFERENCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


class ShadowMetrics:
    """The counters and the histogram of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.copies = Counter(
            "deepfake_shadow_requests",
            "Copies of requests by outcome: compared, dropped (too many bytes held), failed, or "
            "unavailable (no free replica).",
            ("pool", "model", "outcome"),
            registry=registry,
        )
        self.differences = Histogram(
            "deepfake_shadow_score_difference",
            "Absolute difference of the fake probabilities, where both found faces.",
            ("pool", "model"),
            buckets=_DIFFERENCES,
            registry=registry,
        )
        self.changes = Counter(
            "deepfake_shadow_verdict_changes",
            "Copies whose verdict differs from the one served.",
            ("pool", "model", "served", "shadow"),
            registry=registry,
        )

    def count(self, pool: str, model: str, outcome: str) -> None:
        """Counts a copy."""
        self.copies.labels(pool, model, outcome).inc()

    def compare(self, pool: str, model: str, served: dict[str, Any], copy: dict[str, Any]) -> None:
        """Counts a copy and how its verdict differs from the one served."""
        was, now = served.get("fake_probability"), copy.get("fake_probability")
        if was is not None and now is not None:
            self.differences.labels(pool, model).observe(abs(was - now))
        if served.get("verdict") != copy.get("verdict"):
            labels = (str(each.get("verdict")) for each in (served, copy))
            self.changes.labels(pool, model, *labels).inc()
        self.count(pool, model, "compared")
