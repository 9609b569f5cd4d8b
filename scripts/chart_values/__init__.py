"""The JSON Schema of the chart's values: k8s/helm/deepfake-serving/values.schema.json.

Helm validates values against draft 07 at every install and upgrade, merged over values.yaml, which
has a default for each key. A key set to null is dropped before, so what templates need is required:
`redis: null` fails with that name. An unknown key fails with its path. `settings` of a
server are its own settings, without those that the chart sets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from scripts.chart_values.values import Values

DEFAULTS = Path(__file__).parents[2] / "k8s" / "helm" / "deepfake-serving" / "values.yaml"
VERBATIM = ("Resources", "RouteTimeouts")
"""Maps that go to Kubernetes as they are, and may be null."""


def schema() -> str:
    """Returns the schema as JSON text."""
    document = TypeAdapter(Values).json_schema()
    _require(document, document["$defs"], yaml.safe_load(DEFAULTS.read_text()))
    document["properties"]["global"] = _shared(document["properties"])
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    text = json.dumps({**head, **_without_titles(document)}, indent=1)
    return text.replace('"#/$defs/', '"#/definitions/').replace('"$defs":', '"definitions":') + "\n"


def _shared(own: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of the values of all charts of an installation, where others have keys."""
    names = ("imageRegistry", "imagePullSecrets")
    return {"type": "object", "properties": {name: own[name] for name in names}}


def _require(node: dict[str, Any], kinds: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Requires what templates read into: maps of known keys, and lists that may not be empty."""
    for key, each in node["properties"].items():
        name = each.get("$ref", "").rpartition("/")[2]
        kind = kinds.get(name, {})
        known = "properties" in kind and name not in VERBATIM and key in defaults
        if known or "minItems" in each:
            node.setdefault("required", []).append(key)
        if known:
            _require(kind, kinds, defaults[key])


def _without_titles(node: Any) -> Any:
    """Drops the titles that pydantic generates."""
    if isinstance(node, dict):
        return {
            key: _without_titles(each)
            for key, each in node.items()
            if not (key == "title" and isinstance(each, str))
        }
    return [_without_titles(each) for each in node] if isinstance(node, list) else node
