"""Prometheus metrics of the log of predictions."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter

Outcome = Literal["logged", "dropped", "failed"]


class PredictionMetrics:
    """Counts predictions that were to be logged."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.predictions = Counter(
            "deepfake_predictions",
            "Predictions to be logged: logged, dropped as too many waited, or failed (refused by "
            "the tracking server, or lost at the end of the process).",
            ("outcome",),
            registry=registry,
        )

    def expect(self) -> None:
        """Initialises the counters at zero: a rate misses the step from absent to 1."""
        for outcome in ("logged", "dropped", "failed"):
            self.predictions.labels(outcome)

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Counts predictions."""
        self.predictions.labels(outcome).inc(number)
