"""The rendered chart, for every file of ci/: valid, strict, hardened."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from scripts import chart_values, manifests
from tests.chart.helm import documents, only, tool

CHART = manifests.CHART
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
WORKLOADS = ("Deployment", "StatefulSet", "Pod")

Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False)


def render(*options: str) -> list[Object]:
    completed = helm("template", "r", str(CHART), "-n", "ns", *options)
    assert completed.returncode == 0, completed.stderr
    return documents(completed.stdout)


def pods(objects: list[Object]) -> list[Object]:
    return [
        each if each["kind"] == "Pod" else each["spec"]["template"]
        for each in objects
        if each["kind"] in WORKLOADS
    ]


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


case = pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem.removesuffix("-values"))


@case
def test_helm_lint_passes(case: Path) -> None:
    completed = helm("lint", "--strict", str(CHART), "-f", str(case))
    assert completed.returncode == 0, completed.stdout + completed.stderr


@case
def test_pods_are_hardened(case: Path) -> None:
    for pod in pods(render("-f", str(case))):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"][
                "requests"
            ].keys()


@case
def test_images_are_never_latest(case: Path) -> None:
    for pod in pods(render("-f", str(case))):
        for container in containers(pod):
            assert re.search(r"@sha256:[0-9a-f]{64}$|:[\w.-]+$", container["image"])
            assert not container["image"].endswith(":latest")


@case
def test_every_container_has_the_right_probes_and_grace_period(case: Path) -> None:
    for pod in pods(render("-f", str(case))):
        if "helm.sh/hook" in pod["metadata"].get("annotations", {}):
            continue
        container = pod["spec"]["containers"][0]
        assert {"startupProbe", "livenessProbe"} <= container.keys()
        if container["name"] in ("gateway", "model-server"):
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
            stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["spec"]["terminationGracePeriodSeconds"] > stop


@case
def test_servers_accept_the_rendered_settings(case: Path) -> None:
    """The servers accept the settings in the ConfigMaps, and the gateway the ensembles."""
    for each in render("-f", str(case)):
        for name, text in each.get("data", {}).items() if each["kind"] == "ConfigMap" else ():
            kinds = {"gateway.yaml": GatewaySettings, "model-server.yaml": ModelServerSettings}
            if name in kinds:
                kinds[name](**yaml.safe_load(text))
            elif name.startswith("ensemble-"):
                EnsembleSpec.model_validate(yaml.safe_load(text))


@case
def test_every_volume_is_mounted_and_every_mount_has_its_volume(case: Path) -> None:
    for pod in pods(render("-f", str(case))):
        mounted = {m["name"] for c in containers(pod) for m in c.get("volumeMounts", [])}
        claims = {"data"} if mounted == {"data"} else set()  # the StatefulSet's own
        assert mounted == {v["name"] for v in pod["spec"].get("volumes", [])} | claims


@case
def test_selectors_match_their_pods(case: Path) -> None:
    """Each Deployment, Service, PodDisruptionBudget and policy selects at least one kind of pod."""
    objects = render("-f", str(case))
    labels = [pod["metadata"]["labels"].items() for pod in pods(objects)]
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if each["kind"] == "PodMonitor" or not selector:
            continue
        expected = selector.get("matchLabels", selector).items()
        assert any(expected <= found for found in labels), each["metadata"]["name"]


@case
def test_two_releases_share_no_object_names(case: Path) -> None:
    """Two releases fit into one namespace."""
    ours = {(o["kind"], o["metadata"]["name"]) for o in render("-f", str(case))}
    if "fullnameOverride" in case.read_text():
        return
    completed = helm("template", "other", str(CHART), "-n", "ns", "-f", str(case))
    others = {(o["kind"], o["metadata"]["name"]) for o in documents(completed.stdout)}
    assert not ours & others


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("gateway.replica=2", "at '/gateway': additional properties 'replica' not allowed"),
        ("gateway.replicas=two", "at '/gateway/replicas': got string, want integer"),
        (
            "gateway.settings.max_streamz=1",
            "'/gateway/settings': additional properties 'max_streamz'",
        ),
        ("gateway.settings.routing=x", "'/gateway/settings': additional properties 'routing'"),
        ("gateway.settings.drain_timeout_s=600", "additional properties 'drain_timeout_s'"),
        ("modelServer.defaults.gpu.resource=gpu", "'/modelServer/defaults/gpu/resource'"),
        ("modelServer.pools[0].models[0]=detector", "missing property 'name'"),
        ("image.gateway.digest=sha256:12", "'/image/gateway/digest'"),
        ("media.type=disk", "'/media/type'"),
        ("redis.externalUrl=http://x", "'/redis/externalUrl'"),
        ("worker.resources.limits.memory=2GB", "'/worker/resources/limits/memory'"),
    ],
)
def test_an_invalid_value_fails_and_is_named(setting: str, complaint: str) -> None:
    completed = helm("template", "r", str(CHART), "--set", setting)
    assert completed.returncode != 0
    assert complaint in completed.stderr


def test_the_schema_covers_every_default() -> None:
    """The tests above cover keys that only values.yaml has, this one keys of the schema alone."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads(chart_values.schema())

    def compare(node: Object, given: Any, path: str) -> None:
        if "$ref" in node:
            node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
        for key, each in node.get("properties", {}).items():
            if path.endswith((".settings", ".image", ".resources")) or key == "global":
                continue
            assert key in given, f"values.yaml lacks {path}.{key}"
            if isinstance(given[key], dict):
                compare(each, given[key], f"{path}.{key}")

    compare(schema, values, "")


def test_only_a_changed_setting_replaces_pods() -> None:
    def stamps(*options: str) -> dict[str, str]:
        return {
            each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"][
                "deepfake-serving/settings"
            ]
            for each in render(*options)
            if each["kind"] == "Deployment"
        }

    before = stamps()
    assert stamps() == before
    changed = stamps("--set", "gateway.settings.rate_limit=5/minute")
    assert {name for name in before if changed[name] != before[name]} == {
        "r-deepfake-serving-gateway",
        "r-deepfake-serving-worker",
    }


def test_every_template_has_a_unit_test() -> None:
    tested = {
        template
        for suite in (CHART / "tests").glob("*_test.yaml")
        for template in yaml.safe_load(suite.read_text())["templates"]
    }
    folder = CHART / "templates"
    there = {str(p.relative_to(folder)) for p in folder.rglob("*.yaml")}
    assert there == tested


def test_unit_tests_pass() -> None:
    completed = helm("unittest", "--strict", str(CHART))
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_one_object_per_template() -> None:
    for template in (CHART / "templates").rglob("*.yaml"):
        kinds = re.findall(r"^kind: (\w+)", template.read_text(), re.MULTILINE)
        assert len(kinds) <= 1, template


def test_every_value_is_documented() -> None:
    """README.md is generated from the comments: a row without text is a value without a comment."""
    rows = re.findall(r"^\| (\S+) \|[^|]*\|.*\| (.*) \|$", (CHART / "README.md").read_text(), re.M)
    assert len(rows) > 100
    assert [key for key, words in rows if not words.strip() and key != "Key"] == []


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_manifests_are_generated_from_the_chart(overlay: str) -> None:
    """Apart from the hashes in the names of settings, and the notes above these."""
    text = _kustomized(manifests.MANIFESTS / "overlays" / overlay)
    rendered = manifests.rendered(overlay).values()
    for each in only(rendered, "ConfigMap"):
        name = each["metadata"]["name"]
        text, count = re.subn(rf"name: {name}-[a-z0-9]{{10}}$", f"name: {name}", text, flags=re.M)
        assert count >= 2, "it is used"
    built = {
        (each["kind"], each["metadata"]["name"]): each
        for each in yaml.safe_load_all(text.replace(f"    {manifests.NOTE}", ""))
    }
    expected = {(o["kind"], o["metadata"]["name"]): o for o in rendered}
    assert built == expected


def test_changed_settings_restart_the_pods_of_an_overlay(tmp_path: Path) -> None:
    shutil.copytree(manifests.MANIFESTS, tmp_path / "manifests")
    own = tmp_path / "own"
    own.mkdir()
    (own / "gateway.yaml").write_text("auth: none\n")
    generator = {
        "name": "deepfake-serving-gateway",
        "namespace": manifests.NAMESPACE,
        "behavior": "replace",
        "files": ["gateway.yaml"],
    }
    kustomization = {"resources": ["../manifests/overlays/cpu"], "configMapGenerator": [generator]}
    (own / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    before, after = (
        {
            each["metadata"]["name"]: each["spec"]["template"]
            for each in yaml.safe_load_all(_kustomized(folder))
            if each["kind"] == "Deployment"
        }
        for folder in (tmp_path / "manifests" / "overlays" / "cpu", own)
    )
    restarted = {name for name, template in after.items() if template != before[name]}
    assert restarted == {"deepfake-serving-gateway", "deepfake-serving-worker"}


def _kustomized(folder: Path) -> str:
    command = [tool("kustomize"), "build", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_pods_are_spread_over_zones_and_nodes() -> None:
    """Each kind and revision is spread over zones and hosts by default."""
    objects = render("--set", "media.volume.accessMode=ReadWriteMany")
    for each in (o for o in objects if o["kind"] == "Deployment"):
        spread = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
        keys = [constraint["topologyKey"] for constraint in spread]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        for constraint in spread:
            assert constraint["labelSelector"] == each["spec"]["selector"]
            assert constraint["matchLabelKeys"] == ["pod-template-hash"]
