"""The JSON Schema of the chart's values: k8s/helm/deepfake-serving/values.schema.json.

Helm validates values against draft 07 at every install and upgrade. All keys are optional, because
values.yaml has a default for each. An unknown key fails with its path. `settings` of a server are
its own settings, without those that the chart sets.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from scripts.chart_values.values import Values


def schema() -> str:
    """Returns the schema as JSON text."""
    document = TypeAdapter(Values).json_schema()
    document["properties"]["global"] = {"type": "object"}  # reserved by Helm for subcharts
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    text = json.dumps({**head, **_without_titles(document)}, indent=1)
    return text.replace('"#/$defs/', '"#/definitions/').replace('"$defs":', '"definitions":') + "\n"


def _without_titles(node: Any) -> Any:
    """Drops the titles that pydantic generates."""
    if isinstance(node, dict):
        return {
            key: _without_titles(each)
            for key, each in node.items()
            if not (key == "title" and isinstance(each, str))
        }
    return [_without_titles(each) for each in node] if isinstance(node, list) else node
