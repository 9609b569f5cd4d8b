"""Whether a run passed: from what was counted to the reasons why it did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

REFUSED, DROPPED = " refused", " dropped"
"""How the kind of a row ends that counts 429s, or frames that newer ones pushed out."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen of one kind of request. Percentiles are in milliseconds, over all answers."""

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
        """What was asked, whether it was refused or not."""
        return self.kind.removesuffix(REFUSED), self.name

    @property
    def answered(self) -> bool:
        """Whether the row counts answers, not what was turned away."""
        return not self.kind.endswith((REFUSED, DROPPED))


@dataclass(frozen=True, slots=True)
class Gates:
    """Bounds of a run. Each holds for every kind of request by itself, so that many quick ones
    don't hide what became of few slow ones."""

    max_failure_ratio: float = 0.0
    max_p95_ms: float | None = None
    min_requests: int = 1

    def __post_init__(self) -> None:
        """Raises `ValueError` where a bound could not hold or not fail."""
        if not 0 <= self.max_failure_ratio < 1:
            raise ValueError(f"max_failure_ratio ({self.max_failure_ratio}) is from 0 to below 1")
        if self.max_p95_ms is not None and not self.max_p95_ms > 0:
            raise ValueError(f"max_p95_ms ({self.max_p95_ms}) is above 0")
        if self.min_requests < 1:
            raise ValueError(f"min_requests ({self.min_requests}) is at least 1")

    def reasons(
        self, rows: Iterable[Row], measures: Mapping[str, tuple[str, str]], crashes: int = 0
    ) -> list[str]:
        """Why the run failed; empty where it passed.

        Args:
            measures: by user, kind and name of the row that counts what it is there for.
            crashes: exceptions that no row counts: defects of the load test itself.
        """
        rows = list(rows)
        found = [*self._few(rows, measures), *self._failing(rows), *self._slow(rows)]
        if crashes:
            found.append(f"{crashes} exceptions within the load test itself")
        return found

    def _few(self, rows: list[Row], measures: Mapping[str, tuple[str, str]]) -> Iterable[str]:
        good = {(row.kind, row.name): row.requests - row.failures for row in rows}
        for user, measure in measures.items():
            if (count := good.get(measure, 0)) < self.min_requests:
                yield f"{user}: {count} good answers, fewer than {self.min_requests}"

    def _failing(self, rows: list[Row]) -> Iterable[str]:
        requests: Counter[tuple[str, str]] = Counter()
        failures: Counter[tuple[str, str]] = Counter()
        for row in rows:
            requests[row.key] += row.requests
            failures[row.key] += row.failures
        for key, count in failures.items():
            if count > self.max_failure_ratio * requests[key]:
                share = f"{count} of {requests[key]} failed ({count / requests[key]:.2%})"
                yield f"{' '.join(key)}: {share}, more than {self.max_failure_ratio:.2%}"

    def _slow(self, rows: list[Row]) -> Iterable[str]:
        for row in rows:
            if self.max_p95_ms is not None and row.answered and row.p95 > self.max_p95_ms:
                bound = f"p95 is {row.p95:g} ms, above {self.max_p95_ms:g} ms"
                yield f"{row.kind} {row.name}: {bound}"
