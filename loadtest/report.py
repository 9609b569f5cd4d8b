"""The summary of a run: as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.gates import DROPPED, REFUSED, Row


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results, and the reasons if the run failed."""

    rows: Sequence[Row]
    reasons: Sequence[str]
    failures: Mapping[str, int] = field(default_factory=dict)
    """Number of failures by request and message."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """The run's options."""

    @property
    def passed(self) -> bool:
        return not self.reasons


def table(outcome: Outcome) -> str:
    """Formats a text table. Times are in milliseconds, to two significant digits like Locust's."""
    heads = ("requests", "failed", "per s", "p50", "p95", "p99", "max")
    wide = max([len(_title(row)) for row in outcome.rows], default=0)
    lines = [" " * wide + "".join(f"{head:>9}" for head in heads)]
    lines += [
        f"{_title(row):{wide}}" + "".join(f"{c:>9}" for c in _cells(row)) for row in outcome.rows
    ]
    lines += [f"{count:>6} x {text}" for text, count in outcome.failures.items()]
    lines += ["passed"] if outcome.passed else [f"FAILED: {reason}" for reason in outcome.reasons]
    return "\n".join(lines)


def document(outcome: Outcome) -> dict[str, Any]:
    """Returns the outcome as a JSON object."""
    rows = outcome.rows
    return {
        "passed": outcome.passed,
        "reasons": list(outcome.reasons),
        "run": dict(outcome.run),
        "refused": sum(row.requests for row in rows if row.kind.endswith(REFUSED)),
        "dropped": sum(row.requests for row in rows if row.kind.endswith(DROPPED)),
        "rows": [dataclasses.asdict(row) for row in rows],
        "failures": dict(outcome.failures),
    }


def write(outcome: Outcome, path: Path) -> None:
    """Writes the document to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(outcome), indent=2) + "\n")


def _title(row: Row) -> str:
    return f"{row.kind} {row.name}"


def _cells(row: Row) -> list[str]:
    times = [f"{ms:.0f}" for ms in (row.p50, row.p95, row.p99, row.longest)]
    return [str(row.requests), str(row.failures), f"{row.rate:.1f}", *times]
