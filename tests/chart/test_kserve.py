"""KServe's objects against the schemas of its custom resources, and against the model server."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from deepfake_serving.model_server.settings import Settings
from deepfake_serving.runtime.version import VERSION
from tests.chart.helm import Object, tool
from tests.support.paths import ROOT

FOLDER = ROOT / "k8s" / "kserve"
MODULE = "github.com/kserve/kserve@v0.17.0"
FILES = ("clusterservingruntime.yaml", "inferenceservice.yaml", "stored-model.yaml")


@cache
def module() -> Path:
    """Downloads KServe's Go module, which contains its custom resources."""
    completed = subprocess.run(
        [tool("go"), "mod", "download", "-json", MODULE],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(json.loads(completed.stdout)["Dir"])


@cache
def schema(kind: str, version: str) -> Any:
    """Returns the schema of a kind; fields that it lacks are errors, as they would be dropped."""
    path = module() / "config" / "crd" / "full" / f"serving.kserve.io_{kind.lower()}s.yaml"
    versions = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    (found,) = (each for each in versions if each["name"] == version)
    return strict(found["schema"]["openAPIV3Schema"])


def strict(node: Any) -> Any:
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: strict(value) for name, value in node.items()}
    fields = closed.get("properties")
    if isinstance(fields, dict) and fields and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def read(name: str) -> Object:
    document: Object = yaml.safe_load((FOLDER / name).read_text())
    return document


def container() -> Object:
    (found,) = read("clusterservingruntime.yaml")["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", FILES)
def test_an_object_is_valid_by_kserves_schema(name: str) -> None:
    document = read(name)
    metadata = {"type": "object"}
    declared = schema(document["kind"], document["apiVersion"].partition("/")[2])
    declared = declared | {"properties": declared["properties"] | {"metadata": metadata}}
    errors = [
        f"{e.json_path}: {e.message}" for e in Draft202012Validator(declared).iter_errors(document)
    ]
    assert errors == []


def test_an_unknown_field_is_an_error() -> None:
    document = read("inferenceservice.yaml")
    document["spec"]["predictor"]["minReplica"] = 1
    validator = Draft202012Validator(schema("InferenceService", "v1beta1"))
    assert any("minReplica" in error.message for error in validator.iter_errors(document))


@pytest.mark.parametrize("name", FILES[1:])
def test_services_use_the_runtime(name: str) -> None:
    runtime = read("clusterservingruntime.yaml")
    model = read(name)["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = [each["name"] for each in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


@pytest.mark.parametrize("name", FILES)
def test_variables_are_settings_of_the_model_server(name: str) -> None:
    spec = read(name)["spec"]
    env = container()["env"] if "containers" in spec else spec["predictor"]["model"].get("env", [])
    prefix = Settings.model_config["env_prefix"]
    for variable in env:
        assert variable["name"].removeprefix(prefix).lower() in Settings.model_fields, variable


def test_clients_find_the_model_by_the_name_of_the_service() -> None:
    env = {each["name"]: each["value"] for each in container()["env"]}
    assert env["DEEPFAKE_MODEL_SERVER_MODELS"] == read("inferenceservice.yaml")["metadata"]["name"]


def test_the_image_is_that_of_this_version() -> None:
    assert container()["image"].endswith(f"/model-server:{VERSION}")


def test_kustomize_applies_the_runtime_and_the_bundled_detector() -> None:
    assert read("kustomization.yaml")["resources"] == list(FILES[:2])
