"""The table of failures by event, and the goals that were missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from tests.chaos.events import EVENTS
from tests.chaos.goals import Loss
from tests.chaos.jobs import JobResults
from tests.chaos.record import QUIET, Row

_COLUMNS = (
    *("event", "n", "requests", "failed", "failed after one retry"),
    *("s until all ready: mean / max", "slowest request, s"),
)
_HEAD = f"| {' | '.join(_COLUMNS)} |\n| --- |{' --: |' * (len(_COLUMNS) - 1)}"


def missed(rows: Mapping[str, Row], jobs: JobResults) -> list[str]:
    """Returns what each missed goal is."""
    return [*_missed_by_requests(rows), *jobs.problems]


def _missed_by_requests(rows: Mapping[str, Row]) -> Iterator[str]:
    for name, row in rows.items():
        loss = Loss.NONE if name == QUIET else EVENTS[name].loss
        lost = row.failed
        if loss is Loss.IN_FLIGHT:
            lost = max(row.responded, row.failed_retries)
        elif loss is Loss.SENT:
            lost = row.failed_retries
        if lost:
            yield f"{name}: {lost} failed, may cost {loss.value}"


def markdown(rows: Mapping[str, Row], jobs: JobResults) -> str:
    """Returns the table, the jobs and the missed goals."""
    order = [name for name in (*EVENTS, QUIET) if name in rows]
    states = ", ".join(f"{n} {state}" for state, n in sorted(_counted(jobs).items())) or "none"
    lines = [
        _HEAD,
        *(_line(name, rows[name]) for name in order),
        _line("all", _sum(rows)),
        "",
        f"Jobs: {states}; {jobs.refused} submissions were repeated.",
        "",
        *(f"- missed: {each}" for each in missed(rows, jobs)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(name: str, row: Row) -> str:
    ready = "–"
    if row.ready_s:
        ready = f"{sum(row.ready_s) / len(row.ready_s):.1f} / {max(row.ready_s):.1f}"
    counts = (row.events or "–", f"{row.requests:,}", row.failed, row.failed_retries)
    return f"| {' | '.join(map(str, (name, *counts, ready, f'{row.slowest_s:.1f}')))} |"


def _counted(jobs: JobResults) -> dict[str, int]:
    states = list(jobs.states.values())
    return {state: states.count(state) for state in states}


def _sum(rows: Mapping[str, Row]) -> Row:
    total = Row(slowest_s=max((row.slowest_s for row in rows.values()), default=0.0))
    for name in (each.name for each in fields(Row)):
        if name not in ("slowest_s", "ready_s"):
            setattr(total, name, sum(getattr(row, name) for row in rows.values()))
    return total
