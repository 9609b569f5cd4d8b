"""Verdicts of images, videos and live sources, as tables or JSON lines on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from deepfake_serving.cli.output import errors, note, printable, tables, warn_untrained
from deepfake_serving.contracts.jobs import ENDED, IMAGE, LIVE

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
    """Prints one row per image, also of those before an error. Returns the number of problems."""
    image, remark = Column("image", overflow="fold"), Column("remark", overflow="fold")
    table = Table(image, "verdict", "fake", "faces", remark, box=None, pad_edge=False)
    problems = 0
    try:
        for document in documents:
            problems += "type" in document
            table.add_row(*_image_row(document))
    finally:
        if table.row_count:
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
    return [*untrained, *credentials, *_standouts(document), *document.get("warnings", [])]


_RANKS = ("no_face", "real", "suspicious", "fake")


def _standouts(document: dict[str, Any]) -> list[str]:
    """Returns a remark on faces whose verdict is worse than that of all together, if any is."""
    verdicts = [face["verdict"] for face in document["faces"]]
    worst = max((document["verdict"], *verdicts), key=_RANKS.index)
    if worst == document["verdict"]:
        return []
    return [f"{worst} by itself: {verdicts.count(worst)} of {len(verdicts)} faces"]


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


def print_jobs(jobs: Iterable[dict[str, Any]]) -> None:
    """Prints one row per job, also of those before an error."""
    name = Column("name", overflow="fold")
    table = Table("id", "kind", "state", "created", "verdict", "fake", name, box=None)
    table.pad_edge = False
    try:
        for job in jobs:
            summary = job["summary"] or {"verdict": None, "fake_probability": None}
            probability = summary["fake_probability"]
            table.add_row(
                job["id"],
                job["kind"],
                job["state"],
                f"{job['created_at'][:19]}Z",
                _coloured(summary["verdict"]) if summary["verdict"] else "",
                "" if probability is None else f"{probability:.3f}",
                printable(job["source"]["name"]),
            )
    finally:
        if table.row_count:
            tables().print(table)


def print_job(job: dict[str, Any]) -> None:
    """Prints the result of a job; without one its progress, or how it ended."""
    if job["kind"] == LIVE and job["result"]:
        print_live(job)
    elif job["state"] == "succeeded":
        warn_untrained(job["result"]["model"]["trained"])
        if job["kind"] == IMAGE:
            print_image_table([{"file": job["source"]["name"], **job["result"]}])
        else:
            print_video(job["result"], as_json=False)
    elif job["state"] in ENDED:
        problem = job["problem"]
        ended = job["state"] + (f": {problem['detail']}" if problem else "")
        errors.print(Text(ended, "red"), soft_wrap=True)
    else:
        note(f"{job['state']}: {describe(job['progress'])}")


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
