"""Renders the chart with Helm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT

CHART = ROOT / "k8s" / "helm" / "deepfake-serving"

Object = dict[str, Any]


class RenderError(Exception):
    """Helm refused the values; the message gives the reason."""


def tool(name: str) -> str:
    """Returns a program's path; skips the test without it, or fails if REQUIRE_CHART_TOOLS=1."""
    path = shutil.which(name)
    if path is None:
        stop = pytest.fail if os.environ.get("REQUIRE_CHART_TOOLS") == "1" else pytest.skip
        stop(f"{name} is not on PATH")
    return path


def render(
    *sets: str, values: Object | None = None, name: str = "r", namespace: str = "ns"
) -> list[Object]:
    """Renders the chart's manifests, including hooks.

    Args:
        sets: as after `--set`, `a.b=c`.
        values: merged over values.yaml, before `sets`.

    Raises:
        RenderError: a template or the schema fails.
    """
    options = [option for each in sets for option in ("--set", each)]
    completed = subprocess.run(
        [tool("helm"), "template", name, str(CHART), "-n", namespace, "-f", "-", *options],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise RenderError(completed.stderr)
    return documents(completed.stdout)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, of which readers keep the last, the first or none."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Object:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice}{node.start_mark}"
        return super().construct_mapping(node, deep)


def documents(text: str) -> list[Object]:
    """Reads Helm's output."""
    return [each for each in yaml.load_all(text, _UniqueKeys) if each]


def only(manifests: Iterable[Object], kind: str) -> list[Object]:
    """Selects the objects of one kind."""
    return [each for each in manifests if each["kind"] == kind]


def rules(manifests: Iterable[Object]) -> Object:
    """Joins all PrometheusRules to one plain rules file."""
    found = only(manifests, "PrometheusRule")
    return {"groups": [group for each in found for group in each["spec"]["groups"]]}
