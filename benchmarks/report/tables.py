"""Results as Markdown tables, as JSON and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import orjson

from benchmarks.report.plot import plot
from benchmarks.report.results import Comparison, Results, Row


def write_report(results: Results, folder: Path) -> str:
    """Writes serving.json, serving.md and serving.png; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(results)
    (folder / "serving.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    (folder / "serving.md").write_text(text + "\n")
    plot(results, folder / "serving.png")
    return text


def markdown(results: Results) -> str:
    """Returns all tables."""
    setup = ", ".join(f"{name} {value}" for name, value in results.setup.items())
    parts = [f"Setup: {setup}."]
    for (workload, clients), rows in groupby(results.rows, lambda r: (r.workload, r.clients)):
        parts.append(f"### {workload}, {_clients(clients)}\n\n" + _systems(list(rows)))
    for title, comparisons, unit, show in (
        ("Added time, 1 client", results.overhead, "ms", _signed),
        ("Throughput ratio, most clients", results.throughput, "requests/s", _ratio),
        ("Added CPU time, most clients", results.cpu, "CPU ms/request", _signed),
    ):
        parts.append(f"### {title}\n\n" + _compared(comparisons, unit, show))
    return "\n\n".join(parts)


def _systems(rows: Sequence[Row]) -> str:
    head = (
        "system",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "requests/s",
        "CPU ms/request",
        "n",
        "failures",
        "CPUs elsewhere",
    )
    return _table(
        head,
        [
            (
                row.system,
                *(_number(ms) for ms in (row.p50_ms, row.p95_ms, row.p99_ms)),
                _number(row.rps),
                _number(row.cpu_s_per_request and 1000 * row.cpu_s_per_request),
                str(row.requests),
                f"{row.failures}" + (f" ({row.first_failure})" if row.first_failure else ""),
                f"{row.cpus_elsewhere:.2f}",
            )
            for row in rows
        ],
    )


def _compared(comparisons: Sequence[Comparison], unit: str, show: Callable[[float], str]) -> str:
    head = ("workload", "system", "baseline", unit, f"baseline {unit}", "median [95 %]", "n")
    return _table(
        head,
        [
            (
                c.workload,
                c.system,
                c.baseline,
                _number(c.system_value),
                _number(c.baseline_value),
                f"{show(c.estimate.median)} [{show(c.estimate.low)}, {show(c.estimate.high)}]",
                str(c.estimate.count),
            )
            for c in comparisons
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats a table whose columns are padded for reading as plain text."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _ratio(value: float) -> str:
    return f"{value:.3f}"
