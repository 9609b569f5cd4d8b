"""Schemas of custom resources, from the Go modules of the projects that define them."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.chart.helm import Object, tool

DEFINITIONS = {
    "gateway.networking.k8s.io": ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard"),
    "keda.sh": ("github.com/kedacore/keda/v2@v2.18.1", "config/crd/bases"),
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd",
    ),
    "cilium.io": ("github.com/cilium/cilium@v1.18.2", "pkg/k8s/apis/cilium.io/client/crds/v2"),
    "serving.kserve.io": ("github.com/kserve/kserve@v0.17.0", "config/crd/full"),
    "external-secrets.io": (
        "github.com/external-secrets/external-secrets@v0.16.2",
        "config/crds/bases",
    ),
    "argoproj.io": ("github.com/argoproj/argo-cd/v2@v2.14.20", "manifests/crds"),
    "rollouts": ("github.com/argoproj/argo-rollouts@v1.8.3", "manifests/crds"),
    "cert-manager.io": ("github.com/cert-manager/cert-manager@v1.19.1", "deploy/crds"),
    "ray.io": ("github.com/ray-project/kuberay/ray-operator@v1.5.0", "config/crd/bases"),
    "flagger.app": ("github.com/fluxcd/flagger@v1.36.1", "artifacts/flagger"),
}
"""Each API group's module, and the folder of its definitions."""
_ROLLOUTS = ("Rollout", "AnalysisRun", "AnalysisTemplate")
"""Kinds of Argo Rollouts, which shares its group with Argo CD."""


def is_custom(document: Object) -> bool:
    """Returns whether a schema of the object's API group is known here."""
    return document["apiVersion"].partition("/")[0] in DEFINITIONS


def errors(document: Object) -> list[str]:
    """Returns what an API server would refuse or drop: wrong and unknown fields."""
    group, _, version = document["apiVersion"].partition("/")
    validator = Draft202012Validator(schema(group, document["kind"], version))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@cache
def schema(group: str, kind: str, version: str) -> Any:
    """Returns the schema of a kind; fields that it lacks are errors, as they would be dropped."""
    versions = definition(group, kind)["spec"]["versions"]
    (found,) = (each for each in versions if each["name"] == version)
    declared = _strict(found["schema"]["openAPIV3Schema"])
    return declared | {"properties": declared["properties"] | {"metadata": {"type": "object"}}}


@cache
def definition(group: str, kind: str) -> Any:
    """Returns the CustomResourceDefinition of a kind."""
    module, folder = DEFINITIONS["rollouts" if kind in _ROLLOUTS else group]
    for path in sorted((_download(module) / folder).glob("*.yaml")):
        if path.name == "kustomization.yaml" or kind.lower() not in path.read_text().lower():
            continue
        for each in yaml.load_all(path.read_text(), yaml.CSafeLoader):
            if not each or each["kind"] != "CustomResourceDefinition":
                continue
            if (each["spec"]["group"], each["spec"]["names"]["kind"]) == (group, kind):
                return each
    raise AssertionError(f"{module} defines no {kind}")


@cache
def _download(module: str) -> Path:
    completed = subprocess.run(
        [tool("go"), "mod", "download", "-json", module],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(json.loads(completed.stdout)["Dir"])


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _strict(value) for name, value in node.items()}
    fields = closed.get("properties")
    if isinstance(fields, dict) and fields and closed.get("type") == "object":
        closed.setdefault(
            "additionalProperties", bool(closed.get("x-kubernetes-preserve-unknown-fields"))
        )
    return closed
