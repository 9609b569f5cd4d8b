"""The results of a run."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.closed_loop import Estimate, Window, percentile


@dataclass(frozen=True, slots=True)
class Row:
    """One system under one workload with a number of concurrent clients."""

    workload: str
    clients: int
    system: str
    requests: int
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    rps: float
    cpu_s_per_request: float | None
    generator_cpu_s_per_request: float | None
    cpus_elsewhere: float
    first_failure: str | None

    @classmethod
    def of(cls, workload: str, clients: int, system: str, window: Window) -> Row:
        ms = [1000 * seconds for seconds in window.latencies_s]
        return cls(
            workload,
            clients,
            system,
            len(window.latencies_s),
            len(window.failures),
            percentile(ms, 50),
            percentile(ms, 95),
            percentile(ms, 99),
            window.rate,
            window.each(window.cpu_s),
            window.each(window.own_cpu_s),
            window.cpus_elsewhere,
            next(iter(window.failures), None),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against a baseline, measured in turns: a difference or a ratio."""

    workload: str
    clients: int
    system: str
    baseline: str
    system_value: float
    baseline_value: float
    """The medians."""
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    setup: dict[str, str | int]
    rows: list[Row]
    overhead: list[Comparison]
    """Latency in milliseconds, one client."""
    throughput: list[Comparison]
    """Ratio of requests per second at the most clients, adjusted for other processes."""
    cpu: list[Comparison]
    """CPU milliseconds per request in the same loops."""
