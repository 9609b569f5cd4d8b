"""Prometheus metrics of an ensemble's members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.ensembles.verdicts import MemberResult
from deepfake_serving.runtime.metrics import SECONDS

_TENTHS = tuple(n / 10 for n in range(1, 11))
_LABELS = ("ensemble", "model")


class EnsembleMetrics:
    """Scores, latency, disagreement and absence of each member."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.scores = Histogram(
            "deepfake_ensemble_member_score",
            "Probability that a member gives a face.",
            _LABELS,
            buckets=_TENTHS,
            registry=registry,
        )
        self.disagreement = Histogram(
            "deepfake_ensemble_member_disagreement",
            "Difference between a member's probability of a face and the ensemble's.",
            _LABELS,
            buckets=_TENTHS,
            registry=registry,
        )
        self.duration = Histogram(
            "deepfake_ensemble_member_duration_seconds",
            "Time until a model of an ensemble has responded, or was given up.",
            _LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        self.unavailable = Counter(
            "deepfake_ensemble_member_unavailable",
            "Requests that a model of an ensemble was left out of.",
            (*_LABELS, "reason"),
            registry=registry,
        )

    def observe_models(
        self, spec: EnsembleSpec, seconds: Mapping[str, float], lost: Mapping[str, Problem]
    ) -> None:
        """Records the times of one request's models, and the problems of those left out."""
        for model, duration in seconds.items():
            self.duration.labels(spec.name, model).observe(duration)
        for model, problem in lost.items():
            self.unavailable.labels(spec.name, model, problem.slug).inc()

    def observe_faces(self, spec: EnsembleSpec, results: Sequence[MemberResult]) -> None:
        """Records the members' scores of every face."""
        for result in results:
            for face in [] if isinstance(result, Problem) else result["faces"]:
                for model, score in face["models"].items():
                    if "fake_probability" in score:
                        p = score["fake_probability"]
                        self.scores.labels(spec.name, model).observe(p)
                        difference = abs(p - face["fake_probability"])
                        self.disagreement.labels(spec.name, model).observe(difference)
