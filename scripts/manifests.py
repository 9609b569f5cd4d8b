"""Writes what others need of the chart: k8s/manifests, and the recording rules of Compose.

k8s/manifests has a kustomize base, and the overlays cpu, gpu and dev. `values/<overlay>.yaml`
selects what each overlay installs. Objects that all overlays share are in the base. Settings are
files of a configMapGenerator, whose names have a hash of the content, so that pods restart when an
overlay changes them. `--check` writes nothing and fails if a file is out of date. Needs helm.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ROOT / "k8s" / "manifests"
CHART = ROOT / "k8s" / "helm" / "deepfake-serving"
OVERLAYS = ("cpu", "gpu", "dev")
RELEASE = NAMESPACE = "deepfake-serving"
RECORDING_RULES = ROOT / "docker" / "compose" / "prometheus" / "recording-rules.yml"
_SETTINGS = "deepfake-serving/settings"
"""The chart's annotation of pods, a hash of the settings."""
NOTE = "# Made by `make manifests` from the chart; do not edit.\n"

Object = dict[str, Any]


def rendered(overlay: str) -> dict[str, Object]:
    """Renders the chart with an overlay's values, by file name, without tests and Helm's labels."""
    objects = _template(NAMESPACE, "-f", str(MANIFESTS / "values" / f"{overlay}.yaml"))
    return {_file_name(each): each for each in map(_without_helm, objects)}


def recording_rules() -> str:
    """Returns the recording rules that dashboards read, for the release that Compose runs."""
    objects = _template("compose", "--set", "monitoring.prometheusRule.enabled=true")
    (rule,) = (each for each in objects if each["kind"] == "PrometheusRule")
    groups = [
        group | {"rules": recorded}
        for group in rule["spec"]["groups"]
        if (recorded := [each for each in group["rules"] if "record" in each])
    ]
    return NOTE + yaml.safe_dump({"groups": groups}, sort_keys=False, width=110)


def _template(namespace: str, *options: str) -> list[Object]:
    command = ["helm", "template", RELEASE, str(CHART), "--namespace", namespace, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _without_helm(node: Any) -> Any:
    """Removes what Helm uses: its labels, and annotations that restart pods."""
    if isinstance(node, dict):
        kept = {
            key: _without_helm(each)
            for key, each in node.items()
            if not key.startswith(("helm.sh/", "app.kubernetes.io/managed-by", _SETTINGS))
        }
        return {key: each for key, each in kept.items() if key != "annotations" or each}
    return [_without_helm(each) for each in node] if isinstance(node, list) else node


def _file_name(each: Object) -> str:
    name = each["metadata"]["name"].removeprefix(RELEASE).strip("-")
    return "-".join(filter(None, [name, each["kind"].lower()])) + ".yaml"


def files() -> dict[Path, str]:
    """Returns the content of every file."""
    by_overlay = {overlay: rendered(overlay) for overlay in OVERLAYS}
    first = by_overlay[OVERLAYS[0]]
    base = {n: o for n, o in first.items() if all(by_overlay[v].get(n) == o for v in OVERLAYS)}
    written = _folder(MANIFESTS / "base", base, [])
    for overlay, objects in by_overlay.items():
        own = {name: each for name, each in objects.items() if name not in base}
        written |= _folder(MANIFESTS / "overlays" / overlay, own, ["../../base"])
    return written | {RECORDING_RULES: recording_rules()}


def _folder(folder: Path, objects: dict[str, Object], resources: list[str]) -> dict[Path, str]:
    maps = [each for each in objects.values() if each["kind"] == "ConfigMap"]
    others = {name: each for name, each in objects.items() if each not in maps}
    kustomization: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources + sorted(others),
    }
    if maps:
        kustomization["configMapGenerator"] = [_generator(each) for each in maps]
    contents = {**others, "kustomization.yaml": kustomization}
    texts = {
        name: yaml.safe_dump(each, sort_keys=False, width=110) for name, each in contents.items()
    }
    texts |= {_path(each, name): each["data"][name] for each in maps for name in each["data"]}
    return {folder / name: NOTE + text for name, text in texts.items()}


def _generator(config_map: Object) -> Object:
    """Returns the entry that makes a ConfigMap from the files of its settings."""
    metadata = config_map["metadata"]
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "files": [f"{name}={_path(config_map, name)}" for name in config_map["data"]],
        "options": {"labels": metadata["labels"]},
    }


def _path(config_map: Object, name: str) -> str:
    component = config_map["metadata"]["name"].removeprefix(f"{RELEASE}-")
    return f"settings/{component}/{name}"


def main() -> int:
    """Returns the exit code."""
    expected = files()
    existing = {
        path for part in ("base", "overlays") for path in (MANIFESTS / part).rglob("*.yaml")
    }
    outdated = [p for p, text in expected.items() if not p.exists() or p.read_text() != text]
    outdated += sorted(existing - expected.keys())
    if "--check" in sys.argv:
        for path in outdated:
            print(f"{path.relative_to(ROOT)} is out of date: make manifests", file=sys.stderr)
        return 1 if outdated else 0
    for path in existing - expected.keys():
        path.unlink()
    for path, text in expected.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
