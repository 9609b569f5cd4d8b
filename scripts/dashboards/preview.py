"""Draws the dashboards from the data of a Prometheus, one PNG each, without a Grafana.

    python -m scripts.dashboards.preview http://localhost:9090 [--minutes 15] [--out FOLDER]

Variables match every value. Panels without data are listed; exit code 1 if a query is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot

from scripts.dashboards import PAGES
from scripts.dashboards.drawing import draw
from scripts.dashboards.prometheus import Prometheus

_COLUMNS, _COLUMN_IN, _ROW_IN = 24, 0.75, 0.36


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("prometheus", help="address of a Prometheus")
    parser.add_argument(
        "--minutes", type=float, default=15, help="time until now (default: %(default)s)"
    )
    parser.add_argument(
        "--rate-interval", type=int, default=60, help="seconds of `$__rate_interval`"
    )
    parser.add_argument("--out", type=Path, default=Path("build/dashboards"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with Prometheus(options.prometheus, options.minutes, options.rate_interval) as prometheus:
        for name, page in PAGES.items():
            board = json.loads(page())
            try:
                empty = preview(board, prometheus, options.out / f"{Path(name).stem}.png")
            except RuntimeError as error:
                print(f"{board['title']}: {error}", file=sys.stderr)
                return 1
            without = f"no data: {', '.join(empty)}" if empty else "every panel has data"
            print(f"{board['title']}: {without}")
    return 0


def preview(board: dict[str, Any], prometheus: Prometheus, path: Path) -> list[str]:
    """Draws a dashboard into `path`; returns the titles of its panels without data.

    Raises:
        RuntimeError: Prometheus refuses a query.
    """
    panels = [each for each in board["panels"] if each["type"] != "row"]
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    figure = pyplot.figure(figsize=(_COLUMNS * _COLUMN_IN, rows * _ROW_IN), dpi=80)
    figure.suptitle(f"{board['title']}, {prometheus.minutes:g} minutes", fontsize=10)
    empty = []
    for panel in panels:
        place = panel["gridPos"]
        left, width = place["x"] / _COLUMNS, place["w"] / _COLUMNS
        bottom, height = 1 - (place["y"] + place["h"]) / rows, place["h"] / rows
        inner = (left + 0.03, bottom + 0.14 * height, width - 0.04, height * 0.7)
        if not draw(figure.add_axes(inner), panel, prometheus):
            empty.append(panel["title"])
    figure.savefig(path)
    pyplot.close(figure)
    return empty


if __name__ == "__main__":
    sys.exit(main())
