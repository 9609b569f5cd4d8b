"""Tables, lists and figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DASH = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what separates columns is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list, one line an item."""
    return "\n".join(f"- {' '.join(item.split())}" for item in items)


def number(value: Any) -> str:
    """Three decimals; whole numbers as they are; a dash for what is undefined."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else DASH


def interval(figure: Mapping[str, Any] | None) -> str:
    """`0.912 [0.850, 0.961]` from `{value, low, high}`."""
    if not figure or figure.get("value") is None:
        return DASH
    if figure.get("low") is None or figure.get("high") is None:
        return number(float(figure["value"]))
    value, low, high = (number(float(figure[k])) for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
