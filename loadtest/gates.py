"""Gates: the conditions for a run to pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

REFUSED, DROPPED = " refused", " dropped"
"""Suffixes of the kinds of rows that count 429s, or dropped frames."""


@dataclass(frozen=True, slots=True)
class Row:
    """Statistics of one kind of request. Percentiles are in milliseconds, over all responses."""

    kind: str
    name: str
    requests: int
    failures: int
    rate: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """The request, the same for refused ones."""
        return self.kind.removesuffix(REFUSED), self.name

    @property
    def is_response(self) -> bool:
        """Whether the row counts responses, not refused requests or dropped frames."""
        return not self.kind.endswith((REFUSED, DROPPED))


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits of a run. Each applies to every kind of request separately, so that many fast requests
    don't hide a few slow ones."""

    max_failure_ratio: float = 0.0
    max_p95_ms: float | None = None
    min_requests: int = 1

    def __post_init__(self) -> None:
        """Raises `ValueError` for a limit that is always or never exceeded."""
        if not 0 <= self.max_failure_ratio < 1:
            raise ValueError(
                f"max_failure_ratio ({self.max_failure_ratio}) must be at least 0 and below 1"
            )
        if self.max_p95_ms is not None and not self.max_p95_ms > 0:
            raise ValueError(f"max_p95_ms ({self.max_p95_ms}) must be above 0")
        if self.min_requests < 1:
            raise ValueError(f"min_requests ({self.min_requests}) must be at least 1")

    def reasons(
        self, rows: Iterable[Row], measures: Mapping[str, tuple[str, str]], crashes: int = 0
    ) -> list[str]:
        """Returns the reasons why the run failed; empty if it passed.

        Args:
            measures: for each user, kind and name of the row of its main request.
            crashes: exceptions outside requests: bugs of the load test itself.
        """
        rows = list(rows)
        found = [
            *self._too_few(rows, measures),
            *self._too_many_failures(rows),
            *self._too_slow(rows),
        ]
        if crashes:
            found.append(f"{crashes} exceptions within the load test itself")
        return found

    def _too_few(self, rows: list[Row], measures: Mapping[str, tuple[str, str]]) -> Iterable[str]:
        good = {(row.kind, row.name): row.requests - row.failures for row in rows}
        for user, measure in measures.items():
            if (count := good.get(measure, 0)) < self.min_requests:
                yield f"{user}: {count} successful requests, fewer than {self.min_requests}"

    def _too_many_failures(self, rows: list[Row]) -> Iterable[str]:
        requests: Counter[tuple[str, str]] = Counter()
        failures: Counter[tuple[str, str]] = Counter()
        for row in rows:
            requests[row.key] += row.requests
            failures[row.key] += row.failures
        for key, count in failures.items():
            if count > self.max_failure_ratio * requests[key]:
                share = f"{count} of {requests[key]} failed ({count / requests[key]:.2%})"
                yield f"{' '.join(key)}: {share}, more than {self.max_failure_ratio:.2%}"

    def _too_slow(self, rows: list[Row]) -> Iterable[str]:
        for row in rows:
            if self.max_p95_ms is not None and row.is_response and row.p95 > self.max_p95_ms:
                excess = f"p95 is {row.p95:g} ms, above {self.max_p95_ms:g} ms"
                yield f"{row.kind} {row.name}: {excess}"
