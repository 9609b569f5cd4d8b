"""Tables of what a gateway serves: its models, the usage of API keys, and feedback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Column, Table

from deepfake_serving.cli.output import note, printable, tables

_UNITS = ("requests", "images", "bytes", "video_seconds")


def print_models(models: Iterable[dict[str, Any]]) -> None:
    """Prints one row per model: its task, pools and thresholds."""
    table = _table("name", "version", "task", "pools", "suspicious from", "fake above", "remark")
    for model in models:
        thresholds = model["thresholds"] or {}
        table.add_row(
            model["name"],
            model["version"],
            model.get("task", ""),
            ", ".join(pool["name"] for pool in model["pools"]),
            *(_number(thresholds.get(name)) for name in ("suspicious_from", "fake_above")),
            "" if model["trained"] else "untrained",
        )
    tables().print(table)


def print_usage(usage: dict[str, Any]) -> None:
    """Prints one row per API key: what it used, of how much where that is limited."""
    if not usage["keys"]:
        note("no usage: this gateway has no API keys")
        return
    table = _table("key", *(unit.replace("_", " ") for unit in _UNITS))
    for key in usage["keys"]:
        cells = (_used(key[unit], key["limits"].get(unit)) for unit in _UNITS)
        table.add_row(key["key"], *cells)
    tables().print(table)
    note(f"{usage['day']}; a new day begins in {usage['resets_in_s'] / 3600:.1f} hours")


def print_feedback(feedback: Iterable[dict[str, Any]]) -> None:
    """Prints one row per label, also of those before an error."""
    table = _table("id", "kind", "label", "part", "verdict", "fake", "key", "created", "note")
    try:
        for each in feedback:
            table.add_row(
                each["id"],
                each["kind"],
                each["label"],
                _part(each),
                each["verdict"] or "",
                _number(each["fake_probability"], 3),
                each["key"] or "",
                f"{each['created_at'][:19]}Z",
                printable(each["note"] or ""),
            )
    finally:
        if table.row_count:
            tables().print(table)


def _table(*names: str) -> Table:
    *fixed, last = names
    return Table(*fixed, Column(last, overflow="fold"), box=None, pad_edge=False)


def _part(feedback: dict[str, Any]) -> str:
    """Names the face that a label is of, if it is not of the whole."""
    if feedback["face"] is not None:
        return f"face {feedback['face']}"
    return f"track {feedback['track']}" if feedback["track"] else ""


def _used(used: float, limit: float | None) -> str:
    return f"{used:g}" if limit is None else f"{used:g} of {limit:g}"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
