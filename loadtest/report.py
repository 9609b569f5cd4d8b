"""A run in few words: for people, and as JSON."""

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
    """What was seen, and the reasons why it did not pass."""

    rows: Sequence[Row]
    reasons: Sequence[str]
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often each kind of request failed with each message."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for."""

    @property
    def passed(self) -> bool:
        return not self.reasons


def table(outcome: Outcome) -> str:
    """Lines for a terminal. Times are in milliseconds, to two digits, as Locust keeps them."""
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
    """The same for programs."""
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
    """The document as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(outcome), indent=2) + "\n")


def _title(row: Row) -> str:
    return f"{row.kind} {row.name}"


def _cells(row: Row) -> list[str]:
    times = [f"{ms:.0f}" for ms in (row.p50, row.p95, row.p99, row.longest)]
    return [str(row.requests), str(row.failures), f"{row.rate:.1f}", *times]
