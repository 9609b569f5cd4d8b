"""What a run has found out, ready to be shown or kept."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.closed_loop import Estimate, Window, percentile


@dataclass(frozen=True, slots=True)
class Row:
    """One system under one workload from so many callers."""

    workload: str
    callers: int
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
    def of(cls, workload: str, callers: int, system: str, window: Window) -> Row:
        ms = [1000 * seconds for seconds in window.latencies_s]
        return cls(
            workload,
            callers,
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
    """A system against a baseline, measured in turns: a difference or a quotient."""

    workload: str
    callers: int
    system: str
    baseline: str
    system_value: float
    baseline_value: float
    """The medians of each."""
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    setup: dict[str, str | int]
    rows: list[Row]
    overhead: list[Comparison]
    """Milliseconds from question to answer, one caller."""
    throughput: list[Comparison]
    """Requests a second, most callers: a quotient of rates without others' disturbance."""
    cpu: list[Comparison]
    """CPU milliseconds a request in the same loops."""
