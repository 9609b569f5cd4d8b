"""A panel as Grafana JSON."""

from __future__ import annotations

from typing import Any

from scripts.dashboards.model import Panel, Query

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLORS = {"real": "green", "suspicious": "orange", "fake": "red", "no_face": "text"}
_TABLE = [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}]


def panel_json(panel: Panel) -> Json:
    """Returns the panel without its position."""
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(panel, n, query) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        **({"transformations": _TABLE} if panel.kind == "table" else {}),
    }


def _target(panel: Panel, number: int, query: Query) -> Json:
    is_instant = panel.kind in ("stat", "table")
    formats = {"heatmap": "heatmap", "table": "table"}
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": formats.get(panel.kind, "time_series"),
        "instant": is_instant,
        "range": not is_instant,
    }


def _field(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for value, color in panel.thresholds]
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
    }
    limits = {"min": panel.minimum, "max": panel.maximum}
    defaults |= {name: value for name, value in limits.items() if value is not None}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 8,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"},
        }
    return defaults


def _overrides(panel: Panel) -> list[Json]:
    """Gives verdicts the same colors in all panels."""
    if not any("{{verdict}}" in query.legend for query in panel.queries):
        return []
    return [
        {
            "matcher": {"id": "byName", "options": verdict},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for verdict, color in _COLORS.items()
    ]


def _options(panel: Panel) -> Json:
    match panel.kind:
        case "stat":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"]},
                "colorMode": "background",
                "graphMode": "none",
                "textMode": "value_and_name",
            }
        case "heatmap":
            return {
                "calculate": False,
                "yAxis": {"unit": panel.unit},
                "color": {"scheme": "Oranges", "mode": "scheme", "steps": 64},
                "cellGap": 1,
                "tooltip": {"show": True, "yHistogram": True},
            }
        case "table":
            return {"showHeader": True}
        case _:
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
