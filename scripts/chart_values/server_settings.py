"""The servers' own settings as chart values."""

from __future__ import annotations

from typing import Any

from deepfake_serving.runtime.settings import ServerSettings

SET_BY_CHART = {"http_port", "grpc_port", "metrics_port", "drain_delay_s", "drain_timeout_s"}
"""Settings of both servers that the chart sets: the grace period of pods covers their drain."""


def server_settings(kind: type[ServerSettings], set_by_chart: set[str]) -> dict[str, Any]:
    """Returns the schema of a server's settings without those that the chart sets."""
    schema = kind.model_json_schema()
    properties = {
        name: each for name, each in schema["properties"].items() if name not in set_by_chart
    }
    for each in properties.values():
        each.pop("title", None)
        each.pop("default", None)
    return {"type": "object", "additionalProperties": False, "properties": properties}
