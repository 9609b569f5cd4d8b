"""Verdicts of images, videos and live sources, as tables or JSON lines on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deepfake_serving.cli.output import printable, tables

_COLOURS = {"real": "green", "suspicious": "yellow", "fake": "red", "no_face": "dim"}


def print_json_lines(documents: Iterable[dict[str, Any]]) -> int:
    """Prints one JSON document per line. Returns the number of problems among them."""
    import orjson

    problems = 0
    for document in documents:
        problems += "type" in document
        print(orjson.dumps(document).decode(), flush=True)
    return problems


def print_image_table(documents: Iterable[dict[str, Any]]) -> int:
    """Prints one row per image. Returns the number of problems among them."""
    image, remark = Column("image", overflow="fold"), Column("remark", overflow="fold")
    table = Table(image, "verdict", "fake", "faces", remark, box=None, pad_edge=False)
    problems = 0
    for document in documents:
        problems += "type" in document
        table.add_row(*_image_row(document))
    tables().print(table)
    return problems


def _image_row(document: dict[str, Any]) -> tuple[str | Text, ...]:
    file = printable(document["file"])
    if "type" in document:
        return file, "[red]problem[/]", "", "", printable(document["detail"])
    probability = document["fake_probability"]
    return (
        file,
        _coloured(document["verdict"]),
        "" if probability is None else f"{probability:.3f}",
        str(len(document["faces"])),
        printable("; ".join(_remarks(document))),
    )


def _remarks(document: dict[str, Any]) -> list[str]:
    untrained = [] if document["model"]["trained"] else ["untrained"]
    credentials = _credentials(document.get("provenance"))
    return [*untrained, *credentials, *document.get("warnings", [])]


def _credentials(provenance: dict[str, Any] | None) -> list[str]:
    """Returns a remark on the content credentials, if there are some."""
    credentials = (provenance or {}).get("credentials")
    if not credentials:
        return []
    signer = credentials["signer"] or credentials["signer_name"] or "unknown"
    return [f"content credentials: {credentials['state']}, signed by {signer}"]


def print_video(verdict: dict[str, Any], as_json: bool) -> None:
    """Prints a `VideoVerdict`, a row per track."""
    if as_json:
        print(json.dumps(verdict))
        return
    table = Table("shot", "seconds", "face", "verdict", "fake", "frames", box=None, pad_edge=False)
    for number, shot in enumerate(verdict["shots"], 1):
        for row in _track_rows(shot):
            table.add_row(str(number), _span(shot), *row)
    console = tables()
    console.print(table)
    probability = verdict["fake_probability"]
    score = "" if probability is None else f", {probability:.3f} by {verdict['aggregation']}"
    frames = verdict["frames_analyzed"]
    console.print(f"{_coloured(verdict['verdict'])}{score}, {frames} frames")
    _print_warnings(console, verdict)


def _track_rows(shot: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            track["id"],
            _coloured(track["verdict"]),
            f"{track['fake_probability']:.3f}",
            str(len(track["frames"])),
        )
        for track in shot["tracks"]
    ] or [("", _coloured("no_face"), "", "")]


def print_live(job: dict[str, Any]) -> None:
    """Prints the windows with the highest scores of a live source, and their counts."""
    result = job["result"]
    table = Table("window", "seconds", "verdict", "fake", box=None, pad_edge=False)
    for window in result["worst"]:
        score = f"{window['fake_probability']:.3f}"
        table.add_row(str(window["number"]), _span(window), _coloured(window["verdict"]), score)
    console = tables()
    console.print(table)
    counts = ", ".join(f"{count} {label}" for label, count in result["verdicts"].items())
    summary = f"{job['state']}, {result['windows']} windows: {counts}"
    console.print(f"{_coloured(result['verdict'])}, {summary}")
    _print_warnings(console, result)


def describe(progress: dict[str, Any]) -> str:
    """Returns a job's stage; for a live source also the windows so far and the latest verdict."""
    if not progress.get("windows"):
        return str(progress["stage"])
    done = f"{progress['windows']} windows, {progress['seconds'] or 0:.0f} s"
    return f"{progress['stage']}: {done}, {progress['verdict'] or '…'}"


def _coloured(label: str) -> str:
    return f"[{_COLOURS[label]}]{label}[/]"


def _span(part: dict[str, Any]) -> str:
    return f"{part['start_s']:.1f} to {part['end_s']:.1f}"


def _print_warnings(console: Console, result: dict[str, Any]) -> None:
    for warning in result["warnings"]:
        console.print(Text(warning, "yellow"))
