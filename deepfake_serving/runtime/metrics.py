"""Prometheus metrics that every server has, in base units, the same whatever the protocol.

`code` is the HTTP status on REST and the status of the same problem on gRPC, so that one expression
counts the errors of both.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from deepfake_serving.contracts.problems import BY_TYPE, Overloaded, Problem, UpstreamUnavailable
from deepfake_serving.runtime.tls.certificates import CertificateGauges, Certificates

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_FAILURES = sorted({problem.status for problem in BY_TYPE.values() if problem.status >= 500})


class ServerMetrics:
    """Requests, problems, restarts of gRPC, the process; servers add their own to `registry`."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.requests = Counter(
            "deepfake_requests",
            "Requests completed; not probes.",
            ("route", "code"),
            registry=r,
        )
        self.results = Counter(
            "deepfake_results",
            "Results of requests, by status: one for each image of a batch and each frame of a "
            "live stream, otherwise one for the request.",
            ("route", "code"),
            registry=r,
        )
        self.duration = Histogram(
            "deepfake_request_duration_seconds",
            "Time from a request's headers to the end of its response, by outcome; accepted are "
            "those that became a job (202).",
            ("route", "outcome"),
            buckets=SECONDS,
            registry=r,
        )
        self.problems = Counter(
            "deepfake_problems",
            "Problems returned to clients, by type: those of requests, of images in batches and of "
            "frames in live streams.",
            ("type",),
            registry=r,
        )
        for problem in (Overloaded, UpstreamUnavailable):  # an alert and a trigger use their rates
            self.problems.labels(problem.slug)
        self.grpc_restarts = Counter(
            "deepfake_grpc_server_restarts",
            "Starts of another gRPC server after one had ended by itself, failed ones too.",
            registry=r,
        )
        ProcessCollector(registry=r)

    def expect_failures(self, route: str) -> None:
        """Initialises a route's 5xx counters at zero: a rate misses the step from absent to 1."""
        for status in _FAILURES:
            self.requests.labels(route, str(status))
            self.results.labels(route, str(status))

    def count_result(self, route: str, status: int, problem: Problem | None = None) -> None:
        """Counts a result, and the problem that it is."""
        self.results.labels(route, str(status)).inc()
        if problem is not None:
            self.problems.labels(problem.slug).inc()

    def watch_certificates(self, certificates: Certificates) -> None:
        """Registers the gauges of the certificates of TLS."""
        self.registry.register(CertificateGauges(certificates))

    def exposition(self) -> bytes:
        """The text format, version 0.0.4."""
        return generate_latest(self.registry)
