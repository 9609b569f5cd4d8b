"""A result's summary, as a table on the terminal and as an HTML page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Table

from deepfake_serving.cli.bulk.destination import RunInfo
from deepfake_serving.cli.bulk.reading import batches
from deepfake_serving.cli.bulk.summary import BINS, Summary
from deepfake_serving.cli.output import tables
from deepfake_serving.contracts.problems import Problem
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import decode

_LABELS = ("real", "suspicious", "fake", "no_face")
_THUMBNAIL_PX = 160


def print_summary(summary: Summary) -> None:
    """Prints the verdicts and problems, with their shares of all files."""
    table = Table("result", "files", "share", box=None, pad_edge=False)
    for name, count, share in _counts(summary):
        table.add_row(name, str(count), f"{share:.1%}")
    tables().print(table)


def write_page(path: Path, run: RunInfo, summary: Summary) -> None:
    """Writes a page that needs no other file: counts, the distribution, the highest scores."""
    environment = Environment(
        loader=PackageLoader("deepfake_serving.cli.bulk"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    peak = max(summary.bins) or 1
    bins = [
        {"label": f"{n / BINS:.2f}", "count": count, "height": round(100 * count / peak)}
        for n, count in enumerate(summary.bins)
    ]
    highest = [row | {"thumbnail": _thumbnail(row)} for row in summary.highest]
    page = environment.get_template("report.html").render(
        run=run, summary=summary, counts=_counts(summary), bins=bins, highest=highest
    )
    path.write_text(page, encoding="utf-8")


def _counts(summary: Summary) -> list[tuple[str, int, float]]:
    counts = [(label, summary.verdicts[label]) for label in _LABELS]
    counts += sorted(summary.problems.items())
    return [(name, count, count / max(summary.files, 1)) for name, count in counts if count]


def _thumbnail(row: dict[str, Any]) -> str | None:
    """Returns a JPEG as a data URI; None for a video and an image that can't be read any more."""
    spec = DecodeSpec()
    [[(_, data)]] = batches([row["path"]], 1, spec.max_bytes)
    if row["kind"] != "image" or isinstance(data, Problem):
        return None
    try:
        image = decode(data, spec)
    except Problem:  # it has changed
        return None
    scale = _THUMBNAIL_PX / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
