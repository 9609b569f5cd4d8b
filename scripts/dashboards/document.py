"""A dashboard as Grafana JSON, with only the fields that it needs.

Schema version 39 is that of Grafana 10.4; later versions read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from scripts.dashboards.model import Dashboard, Panel, Variable
from scripts.dashboards.panel import SOURCE, Json, panel_json

_COLUMNS = 24

_RELEASE = (
    Variable("namespace", "Namespace", "deepfake_build_info", "namespace"),
    Variable(
        "instance",
        "Release",
        'deepfake_build_info{namespace=~"$namespace"}',
        "app_kubernetes_io_instance",
    ),
)


def text(board: Dashboard) -> str:
    """Returns the dashboard as JSON."""
    return json.dumps(_dashboard(board), indent=1, ensure_ascii=False) + "\n"


def _dashboard(board: Dashboard) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["deepfake-serving"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": f"now-{board.span}", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Deepfake serving",
                "tags": ["deepfake-serving"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {
            "list": [_datasource(), *(_variable(v) for v in (*_RELEASE, *board.variables))]
        },
        "panels": list(_placed(board.rows)),
    }


def _datasource() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
    }


def _variable(variable: Variable) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": SOURCE,
        "query": f"label_values({variable.series}, {variable.values})",
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: dict[str, Sequence[Panel]]) -> Iterator[Json]:
    """Lays out rows from top to bottom and their panels from left to right, wrapping."""
    number, y = 0, 0
    for title, panels in rows.items():
        number += 1
        yield {
            "type": "row",
            "id": number,
            "title": title,
            "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1},
            "collapsed": False,
            "panels": [],
        }
        x, y, height = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > _COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **panel_json(panel)}
            x, height = x + panel.width, max(height, panel.height)
        y += height
