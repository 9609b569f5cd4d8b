"""Tables, lists and numbers as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DASH = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table, with column separators escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """Formats a list, one line an item."""
    return "\n".join(f"- {' '.join(item.split())}" for item in items)


def format_number(value: Any) -> str:
    """Formats floats with three decimals and whole numbers without; else a dash."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else DASH


def format_interval(estimate: Mapping[str, Any] | None) -> str:
    """Formats `{value, low, high}` as `0.912 [0.850, 0.961]`."""
    if not estimate or estimate.get("value") is None:
        return DASH
    if estimate.get("low") is None or estimate.get("high") is None:
        return format_number(float(estimate["value"]))
    value, low, high = (format_number(float(estimate[k])) for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
